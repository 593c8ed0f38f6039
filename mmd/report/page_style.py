"""The style sheet of the page: one column on a phone, a grid on a desk, light and dark, and something sensible on paper."""

from __future__ import annotations

from mmd.report.palette import css_variables

_RULES = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
 font-variant-numeric:tabular-nums lining-nums;-webkit-font-smoothing:antialiased}
main,header,footer{max-width:1320px;margin:0 auto;padding:0 28px}
header{padding-top:30px;padding-bottom:6px;display:flex;flex-wrap:wrap;gap:12px 24px;align-items:flex-start;justify-content:space-between}
h1{font-size:27px;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0}
h1 small{font-size:14px;font-weight:500;color:var(--muted);letter-spacing:0;margin-left:8px;overflow-wrap:anywhere}
h2{font-size:12px;font-weight:650;letter-spacing:.07em;text-transform:uppercase;color:var(--muted);margin:38px 0 12px}
h3{font-size:15px;font-weight:650;margin:0 0 2px}
p{margin:0}
.when{color:var(--muted);margin-top:4px}
.scheme{display:inline-flex;border:1px solid var(--line);border-radius:9px;overflow:hidden;background:var(--card)}
.scheme button{font:inherit;font-size:13px;padding:7px 14px;min-height:36px;border:0;background:none;color:var(--muted);cursor:pointer}
.scheme button+button{border-left:1px solid var(--line)}
.scheme button[aria-pressed=true]{background:var(--accent);color:var(--card)}
.scheme button:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:-2px}
.verdict{display:flex;gap:10px;align-items:baseline;margin:18px 0 0;padding:12px 16px;border:1px solid var(--line);border-left:4px solid var(--muted);
 border-radius:10px;background:var(--card)}
.verdict.good{border-left-color:var(--gain)}.verdict.bad{border-left-color:var(--loss)}
.verdict b{font-weight:650}.verdict.good b{color:var(--gain)}.verdict.bad b{color:var(--loss)}
.verdict span{color:var(--muted)}
.cards{display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:14px;margin-top:16px}
.card,.panel{background:var(--card);border:1px solid var(--line);border-radius:12px}
.card{padding:14px 16px 13px;min-width:0}
.card dt{font-size:13px;color:var(--muted)}
.card dd{margin:0;font-size:23px;line-height:1.25;font-weight:600;letter-spacing:-.015em;white-space:nowrap}
.card dd small{font-size:13px;font-weight:500;color:var(--muted);letter-spacing:0;margin-left:3px}
.card dd.sub{font-size:13px;font-weight:400;color:var(--muted);letter-spacing:0;white-space:normal;margin-top:3px}
.gain{color:var(--gain)}.loss{color:var(--loss)}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px}
.wide{grid-column:1/-1}
.panel{padding:17px 18px 14px;margin:0;min-width:0}
figure.panel{display:flex;flex-direction:column}
figcaption p{color:var(--muted);font-size:13px;line-height:1.45;margin-bottom:6px}
.chart{height:290px;min-width:0;overflow:hidden}.wide .chart{height:400px}
.scroll{overflow-x:auto;margin:0 -18px;padding:0 18px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:6px 0 6px 16px;text-align:right;white-space:nowrap;border-top:1px solid var(--grid);vertical-align:baseline}
th:first-child,td:first-child{text-align:left;padding-left:0}
thead th{font-weight:500;font-size:12.5px;color:var(--muted);border-top:0}
tbody th{font-weight:400}
td.text,th.text{text-align:left;white-space:normal;color:var(--muted);min-width:9em}
td:first-child.text,th:first-child.text{min-width:12em}
tr.total th,tr.total td{font-weight:650;border-top:1.5px solid var(--line)}
.remark{color:var(--muted);font-size:13px;line-height:1.45;margin-top:9px}
details{margin-top:4px}summary{cursor:pointer;color:var(--accent);padding:8px 0;font-size:14px}
.notes{margin:0;padding:0 0 0 18px}.notes li{margin:5px 0;max-width:85ch}
footer{color:var(--muted);font-size:13px;padding-top:30px;padding-bottom:44px}
.bar{display:flex;height:10px;border-radius:5px;overflow:hidden;background:var(--grid);margin:10px 0 12px}
.bar i{display:block}
.dot{display:inline-block;width:9px;height:9px;border-radius:3px;margin-right:8px}
@media screen and (max-width:1100px) and (min-width:761px){.cards{grid-template-columns:repeat(4,minmax(0,1fr))}.card dd{font-size:20px}}
@media screen and (max-width:760px){
 main,header,footer{padding-left:14px;padding-right:14px}header{padding-top:20px}
 h1{font-size:23px}h1 small{display:block;margin:2px 0 0}h2{margin-top:30px}
 .grid{grid-template-columns:minmax(0,1fr)}.cards{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}
 .card{padding:11px 12px}.card dd{font-size:19px}.panel{padding:14px 14px 11px;border-radius:11px}.scroll{margin:0 -14px;padding:0 14px}
 .chart{height:250px}.wide .chart{height:310px}th,td{padding-left:11px}table{font-size:13.5px}.verdict{flex-direction:column;gap:2px}
 .scheme button{min-height:40px}
 .facts tr{display:grid;grid-template-columns:minmax(0,1fr) auto;border-top:1px solid var(--grid);padding:6px 0}.facts tr.total{border-top:1.5px solid var(--line)}
 .facts th,.facts td{border:0!important;padding-top:0;padding-bottom:0}.facts td.text{grid-column:1/-1;padding-left:0;font-size:12.5px;line-height:1.4}
 .facts td.text:empty{display:none}.facts tbody th{white-space:normal}
}
@media print{
 body{font-size:11px;background:#fff}main,header,footer{max-width:none;padding-left:0;padding-right:0}.scheme,.modebar,summary{display:none}.panel,.card,.verdict{break-inside:avoid}
 .grid{gap:10px}.charts{grid-template-columns:minmax(0,1fr)}.chart{height:230px}.wide .chart{height:280px}h2{margin:20px 0 8px;break-after:avoid}.cards{grid-template-columns:repeat(5,1fr)}.card dd{font-size:16px}
 .scroll{overflow:visible}table{font-size:10.5px}th,td{white-space:normal}
}
"""


def style_sheet() -> str:
    """The whole sheet. `data-scheme` on the root wins over what the reader's system prefers, and paper is always light."""
    light, dark = css_variables("light"), css_variables("dark")
    return (
        f":root{{color-scheme:light;{light}}}@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}"
        f"@media screen{{:root[data-scheme=light]{{color-scheme:light;{light}}}:root[data-scheme=dark]{{color-scheme:dark;{dark}}}}}{_RULES}"
    )
