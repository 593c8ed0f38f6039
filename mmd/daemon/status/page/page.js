// Asks for the status once a second and shows it. The page only reads; everything that comes in is put in as text, never as markup.

import { draw } from "./charts.js";

const EVERY_MS = 1000, PATIENCE_MS = 4000, KEPT_MS = 900_000;
const SHAPES = {
  good: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13Z",
  wait: "M3.5 2h3v12h-3zM9.500 2h3v12h-3z",
  bad: "M2.500 2.500h11v11h-11z",
  unknown: "M8 3a5 5 0 1 0 0 10a5 5 0 0 0 0-10Zm0 2a3 3 0 1 1 0 6a3 3 0 0 1 0-6Z",
};
const KINDS = { quote: "good", pause: "wait", sync: "wait", boot: "wait", starting: "wait", waiting: "wait", stop: "bad", stopped: "bad" };
const WORDS = { quote: "quoting", pause: "paused", sync: "reading the account", boot: "connecting", stop: "stopping" };

const at = (id) => document.getElementById(id);
let rows = [], marks = [], shownMs = 300_000, run = null, heardAt = null, last = null;

function put(id, text) {
  const node = at(id);
  if (node.textContent !== text) node.textContent = text;
}

function money(text, digits = 2, sign = false) {
  if (text === null || text === undefined) return "–";
  const value = Number(text);
  const shown = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const nothing = Number(shown.replaceAll(",", "")) === 0;
  return (value < 0 && !nothing ? "−" : sign && !nothing ? "+" : "") + shown;
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} d`;
}

const minus = (text) => (text ?? "–").replace("-", "−");
const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const withoutZeros = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

function cell(row, text, kind = "") {
  const made = row.insertCell();
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function table(id, items, fill, none) {
  const made = items.map((item) => {
    const row = document.createElement("tr");
    fill(row, item);
    return row;
  });
  if (!made.length) {
    const row = document.createElement("tr");
    cell(row, none, "none").colSpan = 8;
    made.push(row);
  }
  at(id).replaceChildren(...made);
}

function figure(id, text, unit) {
  const node = at(id), small = document.createElement("small");
  small.textContent = unit ? ` ${unit}` : "";
  node.replaceChildren(text, small);
}

function banner(kind, state, since, reasons) {
  at("banner").dataset.kind = kind;
  at("shape").setAttribute("d", SHAPES[kind]);
  put("state", state);
  put("since", since);
  put("reasons", reasons);
}

function showState({ state, daemon, session, market }) {
  const stuck = !state.well && KINDS[state.name] !== "bad" && state.heartbeat_age_s > 10;
  const reasons = state.reasons.map(({ reason, since_s }) => (since_s === null ? reason : `${reason} (${span(since_s)})`));
  if (state.waiting) reasons.push(`waiting: ${state.waiting}`);
  if (stuck) reasons.unshift(`its main thread has not moved for ${span(state.heartbeat_age_s)}`);
  const mode = state.mode && state.name === "quote" ? ` · ${state.mode === "BUY" ? "buying" : "selling"}` : "";
  banner(stuck ? "bad" : KINDS[state.name] ?? "wait", (WORDS[state.name] ?? state.name) + mode, state.since_s === null ? "" : `for ${span(state.since_s)}`, reasons.join("; "));
  put("symbol", daemon.symbol);
  put("config", daemon.config);
  put("venue", `at ${daemon.venue.replace(/^https?:\/\//, "")}`);
  put("uptime", `up ${span(daemon.uptime_s)}`);
  put("version", `mmd ${daemon.version}, pid ${daemon.pid}`);
  const net = session && market ? ` ${money(session.net, 2, true)} ${market.quote}` : "";
  document.title = `${state.name} · ${daemon.symbol}${net}`;
}

function showFigures({ market, position, session, balances }) {
  if (!market) return;
  const { base, quote } = market, flat = Number(position.size) === 0, fees = Object.entries(session.fees);
  figure("net", money(session.net, 4, true), quote);
  put("net-more", `realised ${money(session.realized, 4, true)}, open ${money(session.unrealized, 4, true)}`);
  figure("position", minus(position.size), base);
  put("position-more", flat ? "flat" : `${money(position.notional)} ${quote} at mid`);
  figure("entry", position.entry_price ?? "–", "");
  put("entry-more", position.break_even ? `break-even ${position.break_even}` : "");
  figure("fees", fees.length ? money(fees[0][1], 4) : "0", fees.length ? fees[0][0] : quote);
  put("fees-more", fees.slice(1).map(([asset, amount]) => `${money(amount, 4)} ${asset}`).join(", ") || "paid");
  figure("fills", String(session.fills), "");
  put("fills-more", `volume ${money(session.volume, 0)} ${quote}`);
  figure("wallet", money(balances.total), quote);
  const assets = Object.entries(balances.assets);
  put("wallet-more", assets.length > 1 ? assets.map(([asset, amount]) => `${money(amount)} ${asset}`).join(", ") : "");
  put("base", base);
  put("quote", quote);
}

// The visible levels, and our orders beyond them.
function levels(shown, orders, side) {
  const found = new Map(shown.map((level) => [level.price, { ...level, ahead: null }]));
  for (const order of orders.filter((each) => each.side === side)) {
    const level = found.get(order.price) ?? { price: order.price, size: null, own: "0", hidden: true, ahead: null };
    if (level.hidden) level.own = String(Number(level.own) + Number(order.size) - Number(order.executed));
    level.ahead ??= order.ahead;
    found.set(order.price, level);
  }
  return [...found.values()].sort((one, other) => Number(other.price) - Number(one.price));
}

function ladderRow(level, side, largest) {
  const row = document.createElement("tr"), own = Number(level.own) > 0;
  row.className = side + (own ? " own" : "");
  cell(row, own ? withoutZeros(level.own) : "");
  cell(row, own ? (level.ahead === null ? "?" : withoutZeros(level.ahead)) : "");
  cell(row, level.price, "at");
  const last = cell(row, ""), bar = document.createElement("i"), text = document.createElement("span");
  bar.className = "bar";
  bar.style.width = `${level.size === null ? 0 : Math.max(2, (Number(level.size) / largest) * 100)}%`;
  text.textContent = level.size ?? "";
  last.append(bar, text);
  return row;
}

function gapRow(kind, text) {
  const row = document.createElement("tr");
  row.className = kind;
  cell(row, text).colSpan = 4;
  return row;
}

function showBook({ market, orders }) {
  if (!market) return;
  put("mid", market.mid ?? "no book");
  put("book-age", market.age_s === null ? "no book" : `${span(market.age_s)} old`);
  const largest = Math.max(...[...market.asks, ...market.bids].map(({ size }) => Number(size)), 1e-9);
  const made = [];
  let before = null;
  const add = (level, side) => {
    if (before !== null && (before.hidden ?? false) !== (level.hidden ?? false)) made.push(gapRow("gap", "⋮"));
    made.push(ladderRow(level, side, largest));
    before = level;
  };
  for (const level of levels(market.asks, orders, "SELL")) add(level, "asks");
  before = null;
  made.push(gapRow("middle", market.mid === null ? "no book" : `mid ${market.mid} · spread ${market.spread_bps.toFixed(2)} bps`));
  for (const level of levels(market.bids, orders, "BUY")) add(level, "bids");
  at("ladder").replaceChildren(...made);
}

function showOrders({ orders, foreign_orders: foreign }) {
  put("orders-more", foreign ? `${foreign} open that are not ours` : "");
  table("orders", orders, (row, order) => {
    cell(row, order.side.toLowerCase(), `side-${order.side.toLowerCase()}`);
    cell(row, order.price);
    cell(row, Number(order.executed) > 0 ? `${order.executed} of ${order.size}` : order.size);
    cell(row, order.ahead ?? "?");
    cell(row, order.distance_bps === null ? "–" : `${minus(order.distance_bps.toFixed(1))} bps`);
    cell(row, span(order.age_s));
    cell(row, order.state + (order.reduce_only ? ", reducing" : ""));
  }, "no order is working");
}

function showFills({ fills }) {
  table("trades", fills, (row, fill) => {
    cell(row, clock(fill.time));
    cell(row, fill.side.toLowerCase(), `side-${fill.side.toLowerCase()}`);
    cell(row, fill.price);
    cell(row, fill.size);
    cell(row, money(fill.profit, 4, true));
    cell(row, money(fill.fee, 4)).append(Object.assign(document.createElement("span"), { className: "unit", textContent: ` ${fill.fee_asset}` }));
    cell(row, (fill.maker ? "maker" : "taker") + (fill.own ? "" : ", not ours"));
  }, "nothing has traded yet");
}

function meter(name, used, limit) {
  const box = document.createElement("div"), line = document.createElement("p"), bar = document.createElement("div"), level = document.createElement("i");
  for (const text of [name, used === null || limit === null ? "–" : `${used} of ${limit}`]) {
    line.append(Object.assign(document.createElement("span"), { textContent: text }));
  }
  const share = used && limit ? Math.min(1, used / limit) : 0;
  level.style.width = `${share * 100}%`;
  if (share > 0.8) level.className = "high";
  bar.className = "meter";
  bar.append(level);
  box.append(line, bar);
  return box;
}

function showHealth({ rates, streams, clock: venueClock, countdown, threads, notices, state }) {
  const own = rates.own_orders ?? { used: null, limit: null };
  at("meters").replaceChildren(meter("weight a minute", rates.weight.used, rates.weight.limit), meter("orders a minute", rates.orders.used, rates.orders.limit), meter("own budget", own.used, own.limit));
  const lines = Object.entries(streams).map(([name, { up_s: up, heard_s: heard, connects }]) =>
    [`${name} stream`, up === null ? "down" : `up ${span(up)}, last heard ${span(heard)} ago${connects > 1 ? `, connected ${connects} times` : ""}`, up === null]);
  const dead = threads.filter(({ alive }) => !alive).map(({ name }) => name);
  lines.push(["venue's clock", venueClock.offset_ms === null ? "not known" : `${minus(String(venueClock.offset_ms))} ms from ours, ± ${venueClock.uncertainty_ms} ms`, venueClock.offset_ms === null]);
  lines.push(["countdown", countdown.armed_s === null ? "not armed" : `armed, ${span(countdown.armed_s)} left`, false]);
  if (rates.silent_s > 0) lines.push(["silence", `the venue wants to hear nothing for ${span(rates.silent_s)}`, true]);
  lines.push(["main thread", `stepped ${span(state.heartbeat_age_s)} ago`, state.heartbeat_age_s > 10]);
  lines.push(["threads", dead.length ? `dead: ${dead.join(", ")}` : `all ${threads.length} alive`, dead.length > 0]);
  at("health").replaceChildren(...lines.flatMap(([name, text, bad]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: text, className: bad ? "bad" : "" }),
  ]));
  const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  put("notices", `${counted(notices.WARNING, "warning")}, ${counted(notices.ERROR, "error")} in this run`);
}

function showEvents({ events }) {
  table("events", events, (row, event) => {
    cell(row, clock(event.time));
    cell(row, event.level.toLowerCase(), `level-${event.level.toLowerCase()}`);
    cell(row, event.event);
    cell(row, event.text);
  }, "none");
}

function showCharts() {
  const value = (of) => (row) => row[of];
  const since = rows.length ? rows[rows.length - 1].time - shownMs : 0;
  const seen = rows.filter((row) => row.time >= since);
  draw(at("chart-price"), seen, {
    series: [{ of: value("mid"), kind: "mid" }, { of: value("buy"), kind: "buy", step: true }, { of: value("sell"), kind: "sell", step: true }],
    marks: marks.filter((mark) => mark.time >= since),
  });
  draw(at("chart-position"), seen, { series: [{ of: value("position"), kind: "held", step: true, area: true }], zero: true });
  draw(at("chart-net"), seen, { series: [{ of: value("net"), kind: "net", area: true }], zero: true });
}

const best = (orders, side, choose) => {
  const found = orders.filter((order) => order.side === side).map((order) => Number(order.price));
  return found.length ? choose(...found) : null;
};

// One more point of the charts, and what has traded since the last one.
function gather(status) {
  const time = Date.parse(status.time);
  if (status.market && (!rows.length || time > rows[rows.length - 1].time)) {
    rows.push({
      time, mid: status.market.mid === null ? null : Number(status.market.mid),
      buy: best(status.orders, "BUY", Math.max), sell: best(status.orders, "SELL", Math.min),
      position: Number(status.position.size), net: Number(status.session.net),
    });
  }
  const known = new Set(marks.map((mark) => mark.key));
  for (const fill of status.fills) {
    const mark = { time: Date.parse(fill.time), value: Number(fill.price), side: fill.side, size: fill.size };
    mark.key = `${mark.time} ${mark.side} ${mark.value}`;
    if (!known.has(mark.key)) marks.push(mark);
  }
  rows = rows.filter((row) => row.time > time - KEPT_MS);
  marks = marks.filter((mark) => rows.length && mark.time >= rows[0].time);
}

class NoAnswer extends Error {}

async function ask(path) {
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) return await answer.json();
  } catch (error) {
    throw new NoAnswer(`${path}: ${error}`);
  }
  throw new NoAnswer(path);
}

async function loadHistory() {
  const history = await ask("history.json");
  rows = history.points.map((point) => {
    const row = Object.fromEntries(history.columns.map((name, index) => [name, point[index]]));
    return { ...row, time: row.time_ms };
  });
  marks = history.fills.map(([time, side, value, size]) => ({ time, side, value, size, key: `${time} ${side} ${value}` }));
}

function show(status) {
  document.body.classList.remove("gone");
  showState(status);
  showFigures(status);
  showBook(status);
  showOrders(status);
  showFills(status);
  showHealth(status);
  showEvents(status);
}

function tellGone() {
  document.body.classList.add("gone");
  const since = heardAt === null ? "" : `last heard ${span((Date.now() - heardAt) / 1000)} ago`;
  banner("bad", "the daemon does not answer", since, last ? "What is shown below is old." : "");
  document.title = `no answer · ${last?.daemon.symbol ?? "mmd"}`;
}

async function turn() {
  try {
    const status = await ask("status.json");
    const gap = heardAt === null || Date.now() - heardAt > 5 * EVERY_MS;
    if (gap || run !== status.daemon.started) await loadHistory();
    run = status.daemon.started;
    heardAt = Date.now();
    last = status;
    gather(status);
    show(status);
    showCharts();
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    tellGone();
  } finally {
    setTimeout(turn, EVERY_MS);
  }
}

banner("unknown", "connecting", "", "");
for (const button of document.querySelectorAll(".windows button")) {
  button.addEventListener("click", () => {
    shownMs = Number(button.dataset.minutes) * 60_000;
    for (const each of document.querySelectorAll(".windows button")) each.setAttribute("aria-pressed", String(each === button));
    showCharts();
  });
}
addEventListener("resize", () => { if (rows.length) showCharts(); });
turn();
