// The front's controls: which figures are the axes, 2-D or 3-D, and limits on the objectives.
"use strict";
const STEPS = 100;  // of a slider; at 0 it sets no limit

function showFront(data) {
  const find = (id) => document.getElementById(id);
  const column = Object.fromEntries(data.names.map((name, place) => [name, place]));
  const controls = ["view", "x", "y", "z", "range"];
  const limits = {};

  function fits(row) {
    return Object.entries(limits).every(([name, bound]) => {
      const value = row[column[name]];
      return value !== null && (data.better[name] === "max" ? value >= bound : value <= bound);
    });
  }

  // From the loosest bound, which the worst member of the front meets, to the strictest.
  function boundAt(name, step) {
    const [low, high] = data.limits[name];
    const isMax = data.better[name] === "max";
    const share = isMax ? step / STEPS : 1 - step / STEPS;
    const isLog = data.logarithmic.includes(name);
    const value = isLog ? low * (high / low) ** share : low + (high - low) * share;
    return rounded(value, isMax);
  }

  // Four digits, never stricter than asked for.
  function rounded(value, isMax) {
    if (value === 0) return 0;
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 3);
    return Number(((isMax ? Math.floor : Math.ceil)(value / unit) * unit).toPrecision(4));
  }

  function traces(isSolid) {
    const [x, y, z] = ["x", "y", "z"].map((id) => column[find(id).value]);
    const needed = isSolid ? [x, y, z] : [x, y];
    return data.traces.map((base) => {
      const places = base.customdata.map((row, place) => place).filter((place) => {
        const row = base.customdata[place];
        return needed.every((wanted) => row[wanted] !== null) && fits(row);
      });
      const rows = places.map((place) => base.customdata[place]);
      const marker = {...base.marker};
      if (base.name === "front") {
        marker.color = rows.map((row) => row[z]);
        marker.colorscale = "Viridis";
        marker.showscale = !isSolid;
        marker.colorbar = {
          title: {text: find("z").value, side: "right", font: {size: 13}}, thickness: 12, len: 0.8,
        };
      }
      const trace = {
        ...base, marker, customdata: rows,
        x: rows.map((row) => row[x]), y: rows.map((row) => row[y]),
        text: places.map((place) => base.text[place]),
      };
      if (isSolid) return solid(trace, rows.map((row) => row[z]));
      if (!base.meta) return trace;
      const bars = (axis) => ({...data.errorBar, array: places.map((p) => base.meta[p][axis])});
      return {...trace, error_x: bars(x), error_y: bars(y)};
    });
  }

  function solid(trace, z) {
    const symbols = {"star": "diamond", "x-thin-open": "x"};
    const symbol = symbols[trace.marker.symbol] || trace.marker.symbol;
    const marker = {...trace.marker, symbol, size: Math.min(7, trace.marker.size / 2)};
    return {...trace, type: "scatter3d", z, marker};
  }

  // The best y that the front offers at each x or better: what a choice by these two would take.
  function staircase(front) {
    const [toX, toY] = ["x", "y"].map((id) => data.better[find(id).value] === "max" ? -1 : 1);
    const points = front.x.map((x, place) => [x, front.y[place]]);
    points.sort((a, b) => toX * (a[0] - b[0]) || toY * (a[1] - b[1]));
    const best = points.filter(([, y], place) => {
      return points.slice(0, place).every((other) => toY * y < toY * other[1]);
    });
    const last = best.at(-1);
    if (last) best.push([points.at(-1)[0], last[1]]);
    return {
      type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false,
      line: {shape: "hv", color: "#9fb3c8", width: 1.5},
      x: best.map((point) => point[0]), y: best.map((point) => point[1]),
    };
  }

  // What an axis covers: the front, and a little around it; all that is drawn when not given.
  function around(name) {
    const [low, high] = data.limits[name];
    const isLog = data.logarithmic.includes(name);
    const ends = isLog ? [Math.log10(low), Math.log10(high)] : [low, high];
    const room = 0.06 * (ends[1] - ends[0]) || 0.01;
    return [ends[0] - room, ends[1] + room];
  }

  function axis(id) {
    const name = find(id).value;
    const isNear = find("range").value === "the front" && data.limits[name];
    const range = isNear ? {autorange: false, range: around(name)} : {};
    // Plotly writes into what it is given.
    return {...data.axes[name], ...range};
  }

  function layout(isSolid) {
    // A zoom is kept until other axes are chosen.
    const uirevision = controls.map((id) => find(id).value).join();
    if (!isSolid) return {...data.layout, uirevision, xaxis: axis("x"), yaxis: axis("y")};
    const scene = {xaxis: axis("x"), yaxis: axis("y"), zaxis: axis("z")};
    scene.camera = {eye: {x: -1.45, y: -1.55, z: 0.7}, center: {x: 0, y: 0, z: -0.15}};
    scene.aspectmode = "cube";
    return {...data.layout, uirevision, scene};
  }

  function draw() {
    const isSolid = find("view").value === "3-D";
    const drawn = traces(isSolid);
    const front = drawn.find((trace) => trace.name === "front");
    Plotly.react("front", isSolid ? drawn : [staircase(front), ...drawn], layout(isSolid), CONFIG);
    say(data.traces.find((trace) => trace.name === "front").customdata);
  }

  function say(members) {
    const signs = (name) => data.better[name] === "max" ? ">=" : "<=";
    const conditions = Object.entries(limits).map(([name, bound]) => name + signs(name) + bound);
    const count = members.filter(fits).length;
    find("fitting").textContent = conditions.length
      ? `${count} of ${members.length} models of the front satisfy ${conditions.join(" and ")}.`
      : `All ${members.length} models of the front are shown; the sliders set limits.`;
    const where = `--where "${conditions.join(" and ")}"`;
    find("take").textContent = !conditions.length ? data.take
      : count ? `automl export ${data.search} --best ${data.objectives[0]} ${where} --out out` : "";
  }

  function limit(name) {
    const step = Number(find(`limit-${name}`).value);
    delete limits[name];
    if (step) limits[name] = boundAt(name, step);
    const digits = {maximumSignificantDigits: 4};
    find(`bound-${name}`).textContent = step ? limits[name].toLocaleString("en", digits) : "any";
  }

  for (const name of data.objectives) {
    limit(name);
    find(`limit-${name}`).disabled = !data.limits[name];
    find(`limit-${name}`).addEventListener("input", () => { limit(name); draw(); });
  }
  for (const id of controls) find(id).addEventListener("change", draw);
  draw();
}
