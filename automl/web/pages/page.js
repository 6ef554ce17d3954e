// The page to try rows: its form, its drawing pad, and the answer. `ask.js` knows whom to ask.
import { about, answer, answerFile, isQuick, footer } from "./ask.js";
import { drawingPad } from "./pad.js";

const $ = id => document.getElementById(id);
const add = (parent, tag, text = "", more = {}) => {
  const made = Object.assign(document.createElement(tag), { textContent: text, ...more });
  parent.append(made);
  return made;
};
const MOST_ROWS = 20, MOST_SHARES = 10, MOST_CLASSES = 30;
const FIRST = {
  table: "Fill in a row; what is left empty counts as missing.",
  text: "Type a text.",
  image: "Choose a picture.",
  numbers: "Type the numbers of a row.",
};
const DRAW = "Draw, and see the answer.";
let model, asked = 0;

function field(name, categories) {
  const label = add($("row"), "label");
  add(label, "span", name);
  if (!categories.length)
    return add(label, "input", "", { name, type: "number", step: "any", placeholder: "missing" });
  const select = add(label, "select", "", { name });
  for (const text of ["", ...categories]) add(select, "option", text || "missing", { value: text });
  return select;
}

function build() {
  const { classes, kind, num_outputs: count } = model, some = classes.slice(0, MOST_CLASSES);
  document.title = $("title").textContent = `Try the model ${model.name}`.trim();
  $("answers").textContent = classes.length
    ? `It tells apart: ${some.join(", ")}${some.length < classes.length ? ", …" : ""}.`
    : `It predicts ${count === 1 ? "a number" : `${count} numbers`}.`;
  if (kind === "table")
    for (const { name, categories } of model.columns) field(name, categories);
  else if (kind !== "image") {
    const label = add($("row"), "label", "", { className: "wide" });
    add(label, "span", kind === "text" ? "A text" : `${model.input_shape.join(" × ")} numbers`);
    add(label, "textarea", "", { name: "typed", rows: 5, required: true });
  }
  if (kind !== "image") add($("row"), "button", "Predict");
  $("row").hidden = kind === "image";
  $("files").hidden = !answerFile || (isQuick && kind !== "image");
  $("choose").textContent = kind === "image" ? "A picture" : "A file of rows";
  if (kind === "image") $("file").accept = "image/*";
  const draws = model.largest > 0;
  if (draws) drawingPad(model.input_shape.slice(1), drawn);
  $("drawing").hidden = !draws;
  wait(draws ? DRAW : FIRST[kind]);
  footer($("footer"));
}

/** Take the pixels (height * width) of a drawing, 0 to 255, or null of none. */
function drawn(plane) {
  const [, height, width] = model.input_shape;
  $("picture").hidden = true;
  if (!plane) return wait(DRAW);
  look({ pixels: [plane], height, width });
  const row = Array.from(plane, one => one * model.largest / 255);
  return ask(() => answer(nested(row, model.input_shape)));
}

/** Show what the model sees of a picture: planes of pixels, 0 to 255. */
function look({ pixels, height, width }) {
  const small = $("small"), image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++)
    image.data.set([...[0, 1, 2].map(c => pixels[c % pixels.length][i]), 255], 4 * i);
  Object.assign(small, { width, height, hidden: false }).getContext("2d").putImageData(image, 0, 0);
  $("seen").hidden = false;
  $("seen").lastElementChild.textContent = `The model sees ${width} × ${height} pixels.`;
}

function nested(flat, shape) {
  for (const size of shape.slice(1).reverse())
    flat = Array.from({ length: Math.ceil(flat.length / size) }, (_, i) => flat.slice(size * i, size * (i + 1)));
  return flat;
}

function typedRow() {
  const values = new FormData($("row"));
  if (model.kind === "text") return values.get("typed");
  if (model.kind === "numbers")
    return nested(values.get("typed").split(/[\s,;]+/).filter(Boolean).map(Number), model.input_shape);
  return Object.fromEntries(model.columns.map(({ name, categories }) => {
    const value = values.get(name);
    return [name, value === "" ? null : categories.length ? value : Number(value)];
  }));
}

function show(found) {
  const [first] = found.predictions, several = found.predictions.length > 1;
  const said = value => Array.isArray(value) ? value.join(", ") : String(value);
  clear(several ? `${found.predictions.length} rows` : said(first.prediction));
  if (several) {
    const table = add($("shares"), "table");
    for (const row of found.predictions.slice(0, MOST_ROWS)) {
      const line = add(table, "tr");
      add(line, "th", String(row.row));
      add(line, "td", said(row.prediction));
    }
    if (found.predictions.length > MOST_ROWS) add($("shares"), "p", "…");
  } else if (first.probabilities) {
    const sorted = Object.entries(first.probabilities).sort((a, b) => b[1] - a[1]);
    for (const [name, share] of sorted.slice(0, MOST_SHARES)) {
      const line = add($("shares"), "div", "", { className: "share" });
      add(line, "span", name);
      add(line, "div", "", { className: "bar" }).style.width = `${100 * share}%`;
      add(line, "span", `${(100 * share).toFixed(1)} %`);
    }
  }
  for (const note of found.notes) add($("notes"), "li", note);
  $("cost").textContent = found.cost ?? "";
  if (found.seen) look(found.seen);
}

function clear(sentence, kind = "") {
  $("answer").className = kind;
  $("answer").textContent = sentence;
  for (const id of ["shares", "notes", "cost"]) $(id).replaceChildren();
}

function wait(sentence) {
  clear(sentence, "waiting");
  $("seen").hidden = true;
}

/** Show what is answered, unless something else was asked meanwhile. */
async function ask(question) {
  const own = ++asked;
  try {
    const found = await question();
    if (own === asked) show(found);
  } catch (error) {
    if (own === asked) clear(error.message, "error");
  }
}

function askTyped() {
  $("seen").hidden = true;
  return ask(() => answer(typedRow()));
}

$("row").addEventListener("submit", event => {
  event.preventDefault();
  askTyped();
});
$("row").addEventListener("input", () => {
  if (isQuick && model.kind !== "numbers" && $("row").checkValidity()) askTyped();
});
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (!file) return;
  const isPicture = model.kind === "image";
  $("picture").hidden = $("seen").hidden = !isPicture;
  $("small").hidden = true;
  if (isPicture) $("picture").src = URL.createObjectURL(file);
  $("seen").lastElementChild.textContent = file.name;
  ask(() => answerFile(file));
});
about().then(told => { model = told; build(); }).catch(error => clear(error.message, "error"));
