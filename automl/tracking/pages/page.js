// Unpacks plotly.js, which stands in the page, then draws the page's charts.
"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const CONFIG = {responsive: true, displaylogo: false};
const WITHOUT_BUTTONS = {...CONFIG, displayModeBar: false};

async function loadPlotly() {
  const packed = atob(document.getElementById("plotly").textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(text).text();
  document.head.append(script);
}

function painted() {
  return new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
}

// Parallel lines want WebGL, which takes seconds where no GPU helps: the rest is seen meanwhile.
loadPlotly().then(async () => {
  if (DATA.front) showFront(DATA.front);
  for (const [id, chart] of Object.entries(DATA.charts)) {
    await painted();
    await Plotly.newPlot(id, chart.data, chart.layout, WITHOUT_BUTTONS);
  }
});
