// Pictures as the model sees them: in its colours, and resized exactly as Pillow does bilinearly.
const BITS = 22, HALF = 1 << (BITS - 1);

/** The planes (channels) of RGBA pixels: grey for one, else red, green and blue. */
export function planes(rgba, channels) {
  const count = rgba.length / 4;
  const made = Array.from({ length: channels }, () => new Uint8ClampedArray(count));
  for (let i = 0; i < count; i++) {
    const [red, green, blue] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    if (channels === 1) made[0][i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
    else [made[0][i], made[1][i], made[2][i]] = [red, green, blue];
  }
  return made;
}

/** A plane (height * width), resized: first its rows, then its columns, each rounded to 8 bits. */
export function resized(plane, width, height, toWidth, toHeight) {
  const narrow = toWidth === width ? plane : along(plane, width, height, toWidth, true);
  return toHeight === height ? narrow : along(narrow, toWidth, height, toHeight, false);
}

function along(plane, width, height, size, isRow) {
  const [from, lines] = isRow ? [width, height] : [height, width];
  const step = isRow ? 1 : width, stride = isRow ? width : 1;
  const [toStep, toStride] = isRow ? [1, size] : [width, 1];
  const made = new Uint8ClampedArray(lines * size);
  weights(from, size).forEach(({ first, shares }, place) => {
    for (let line = 0; line < lines; line++) {
      let sum = HALF;
      for (let i = 0; i < shares.length; i++) sum += shares[i] * plane[line * stride + (first + i) * step];
      made[line * toStride + place * toStep] = Math.floor(sum / (1 << BITS));
    }
  });
  return made;
}

/** For each new pixel the first old one that counts, and the shares of those from there. */
function weights(from, to) {
  const scale = from / to, wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - wide + 0.5));
    const end = Math.min(from, Math.trunc(center + wide + 0.5));
    const own = Array.from({ length: end - first }, (_, i) =>
      Math.max(0, 1 - Math.abs((i + first - center + 0.5) / wide)));
    const total = own.reduce((sum, one) => sum + one, 0);
    return { first, shares: own.map(one => Math.floor(one / total * (1 << BITS) + 0.5)) };
  });
}
