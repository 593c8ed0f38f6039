"""The script of the page: draws the charts in the colours of the scheme that is shown, and again when that changes."""

from __future__ import annotations

# The data of the charts and the colours stand in two blocks of JSON. Nothing here makes HTML out of text.
SCRIPT = """
(function () {
  'use strict';
  var read = function (id) { return JSON.parse(document.getElementById(id).textContent); };
  var figures = read('figures'), tones = read('tones'), root = document.documentElement;
  var system = window.matchMedia('(prefers-color-scheme: dark)'), narrow = window.matchMedia('(max-width: 760px)'), printing = false;
  var buttons = Array.prototype.slice.call(document.querySelectorAll('.scheme button'));

  function scheme() {
    if (printing) { return 0; }
    var chosen = root.getAttribute('data-scheme');
    return (chosen ? chosen === 'dark' : system.matches) ? 1 : 0;
  }
  function tinted(value, which) {
    if (typeof value === 'string') { return Object.prototype.hasOwnProperty.call(tones, value) ? tones[value][which] : value; }
    if (Array.isArray(value)) { return value.map(function (each) { return tinted(each, which); }); }
    if (value && typeof value === 'object') {
      var made = {};
      Object.keys(value).forEach(function (key) { made[key] = tinted(value[key], which); });
      return made;
    }
    return value;
  }
  function draw() {
    var which = scheme();
    Object.keys(figures).forEach(function (name) {
      var place = document.getElementById('chart-' + name), figure = tinted(figures[name], which);
      figure.layout.autosize = true;
      // On a phone a finger on a chart scrolls the page, and a tap shows the figures.
      figure.layout.dragmode = narrow.matches ? false : 'zoom';
      Plotly.react(place, figure.data, figure.layout, {responsive: true, displaylogo: false, displayModeBar: false, showTips: false});
    });
  }
  function choose(name) {
    if (name === 'auto') { root.removeAttribute('data-scheme'); } else { root.setAttribute('data-scheme', name); }
    buttons.forEach(function (each) { each.setAttribute('aria-pressed', String(each.value === name)); });
    draw();
  }
  buttons.forEach(function (each) { each.addEventListener('click', function () { choose(each.value); }); });
  system.addEventListener('change', draw);
  narrow.addEventListener('change', draw);
  window.addEventListener('beforeprint', function () { printing = true; draw(); });
  window.addEventListener('afterprint', function () { printing = false; draw(); });
  draw();
  if (window.ResizeObserver) {
    var watcher = new ResizeObserver(function (entries) {
      entries.forEach(function (entry) { if (entry.target.data && entry.contentRect.width) { Plotly.Plots.resize(entry.target); } });
    });
    Object.keys(figures).forEach(function (name) { watcher.observe(document.getElementById('chart-' + name)); });
  }
})();
"""
