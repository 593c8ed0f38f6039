// Line charts in SVG. Everything is drawn anew each time: a few hundred points once a second cost a browser next to nothing.

const NS = "http://www.w3.org/2000/svg";
const RIGHT = 66, TOP = 8, BOTTOM = 20;

export function element(name, attributes = {}, text = null) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

// Round steps of 1, 2 or 5 that cut [low, high] into about `count` pieces.
function steps(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(n * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

const clock = (ms, seconds) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, ...(seconds ? { second: "2-digit" } : {}) });

// Each series: {of: row -> number or null, kind, step?: the value holds until the next, area?: filled down to zero}.
// marks: [{time, value, side, size}]; zero: zero is always in sight; span: the time that is shown
// at the least, in ms.
export function draw(svg, rows, { series, marks = [], zero = false, span = 60_000 }) {
  const { width, height } = svg.getBoundingClientRect();
  svg.replaceChildren();
  if (!width || rows.length < 2) {
    svg.append(element("text", { x: 0, y: height / 2 }, rows.length < 2 ? "gathering data …" : ""));
    return;
  }
  const end = rows[rows.length - 1].time, begin = Math.min(rows[0].time, end - span);
  const seen = rows.flatMap((row) => series.map((one) => one.of(row))).concat(marks.map((mark) => mark.value)).filter((value) => value !== null);
  if (zero) seen.push(0);
  if (!seen.length) return;
  let low = Math.min(...seen), high = Math.max(...seen);
  const room = Math.max((high - low) * 0.08, Math.abs(high) * 1e-7, 1e-9);
  low -= room;
  high += room;
  const x = (time) => ((time - begin) / (end - begin)) * (width - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (height - TOP - BOTTOM);

  const { found, digits } = steps(low, high, height > 200 ? 6 : 3);
  for (const value of found) {
    svg.append(element("line", { class: zero && Math.abs(value) < 1e-12 ? "zero" : "grid", x1: 0, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(element("text", { x: width - RIGHT + 8, y: y(value) + 4 }, value.toFixed(digits).replace("-", "−")));
  }
  const every = [15e3, 30e3, 60e3, 120e3, 300e3, 600e3].find((step) => (end - begin) / step <= (width - RIGHT) / 85) ?? 900e3;
  for (let time = Math.ceil(begin / every) * every; time < end; time += every) {
    if (x(time) > 24 && x(time) < width - RIGHT - 20) svg.append(element("text", { x: x(time), y: height - 4, "text-anchor": "middle" }, clock(time, every < 60e3)));
  }

  for (const one of series) {
    const parts = paths(rows, one, x, y);
    if (one.area) for (const part of parts) svg.append(element("path", { class: `area ${one.kind}`, d: `${part.d}V${y(0)}H${part.from}Z` }));
    svg.append(element("path", { class: `line ${one.kind}`, d: parts.map((part) => part.d).join("") }));
  }
  const scale = marks.length * 12 > width ? 0.65 : 1;
  for (const mark of marks) {
    if (mark.time < begin) continue;
    const up = mark.side === "BUY", at = element("path", { class: `fill ${up ? "buy" : "sell"}`, d: up ? "M0-5 5.5 5h-11Z" : "M0 5 5.5-5h-11Z" });
    at.setAttribute("transform", `translate(${x(mark.time)} ${y(mark.value)}) scale(${scale})`);
    at.append(element("title", {}, `${up ? "bought" : "sold"} ${mark.size} at ${mark.value}, ${clock(mark.time, true)}`));
    svg.append(at);
  }
  cursor(svg, rows, series[0], { x, y, begin, end, width, height, digits });
}

// The pieces of one series between its gaps.
function paths(rows, { of, step }, x, y) {
  const parts = [];
  let part = null, last = null;
  for (const row of rows) {
    const value = of(row);
    // A gap in time is a gap in the line, too.
    if (value === null || (last !== null && row.time - last > 10_000)) part = null;
    last = row.time;
    if (value === null) continue;
    const px = x(row.time).toFixed(1), py = y(value).toFixed(1);
    if (part === null) parts.push((part = { from: px, d: `M${px} ${py}` }));
    else part.d += step ? `H${px}V${py}` : `L${px} ${py}`;
  }
  return parts;
}

// What the pointer is over, kept across drawings.
function cursor(svg, rows, { of }, { x, y, begin, end, width, height, digits }) {
  const group = element("g");
  svg.append(group);
  const show = () => {
    group.replaceChildren();
    if (svg.pointer === undefined || svg.pointer > width - RIGHT) return;
    const time = begin + (svg.pointer / (width - RIGHT)) * (end - begin);
    const row = rows.reduce((best, each) => (of(each) !== null && Math.abs(each.time - time) < Math.abs(best.time - time) ? each : best));
    if (of(row) === null) return;
    const px = x(row.time), label = `${of(row).toFixed(Math.max(digits, 2)).replace("-", "−")}  ${clock(row.time, true)}`;
    const wide = label.length * 6.6 + 12, left = Math.min(Math.max(px - wide / 2, 0), width - wide);
    group.append(element("line", { class: "cursor", x1: px, x2: px, y1: TOP, y2: height - BOTTOM }));
    group.append(element("circle", { class: "tip", cx: px, cy: y(of(row)), r: 3 }));
    group.append(element("rect", { class: "tip-ground", x: left, y: 0, width: wide, height: 20, rx: 4 }));
    group.append(element("text", { class: "tip", x: left + wide / 2, y: 14, "text-anchor": "middle" }, label));
  };
  svg.onpointermove = (event) => { svg.pointer = event.clientX - svg.getBoundingClientRect().left; show(); };
  svg.onpointerleave = () => { svg.pointer = undefined; show(); };
  show();
}
