// Rows as the model's file takes them, made as `automl predict` makes them.

/** The numbers of a row, as an array that onnxruntime takes. Throws a sentence on a wrong row. */
export function encoded(model, row) {
  if (model.kind === "table") return table(model.columns, row);
  return model.kind === "text" ? text(model, row) : numbers(model, row);
}

function table(columns, row) {
  return Float32Array.from(columns, ({ name, categories }) => {
    if (row[name] === null) return NaN;
    const number = categories.length ? categories.indexOf(row[name]) : Math.fround(row[name]);
    if (!Number.isFinite(number))
      throw new Error(`Column ${name} holds a number that is too large; correct it.`);
    return number;
  });
}

function text({ row_shape: [length] }, row) {
  if (!row.trim()) throw new Error("There is no text; type one.");
  if (row.includes("\0")) throw new Error("The text holds the character zero; remove it.");
  const bytes = new TextEncoder().encode(row);
  let end = Math.min(bytes.length, length);
  // Whole characters only: bytes 10xxxxxx go on with one.
  while (end < bytes.length && (bytes[end] & 0xc0) === 0x80) end--;
  const made = new BigInt64Array(length);
  bytes.subarray(0, end).forEach((byte, i) => { made[i] = BigInt(byte); });
  return made;
}

function numbers({ row_shape: shape }, row) {
  const flat = Float32Array.from(row.flat(Infinity)), wanted = shape.reduce((a, b) => a * b, 1);
  if (flat.length !== wanted)
    throw new Error(`There are ${flat.length} numbers; give ${wanted}.`);
  if (!flat.every(Number.isFinite)) throw new Error("A value is no finite number; correct it.");
  return flat;
}
