// A pad to draw on with a mouse, a finger or a pen; what is drawn is told in the model's size.
import { resized } from "./pixels.js";

const MOST_SIDE = 320;

/** Tell `drawn` the pixels (height * width), 0 to 255, at each stroke, and null once cleared. */
export function drawingPad([height, width], drawn) {
  const pad = document.getElementById("pad"), inverted = document.getElementById("inverted");
  const scale = Math.max(1, Math.floor(MOST_SIDE / Math.max(height, width)));
  Object.assign(pad, { width: width * scale, height: height * scale });
  const pen = pad.getContext("2d", { willReadFrequently: true });
  let last = null, isEmpty = true;

  function clear() {
    pen.fillStyle = inverted.checked ? "white" : "black";
    pen.fillRect(0, 0, pad.width, pad.height);
    isEmpty = true;
    drawn(null);
  }

  function place(event) {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) * pad.width / box.width,
            (event.clientY - box.top) * pad.height / box.height];
  }

  function stroke(event) {
    const to = place(event);
    // As thick as a pen's line is in a handwritten digit of this size.
    Object.assign(pen, { lineCap: "round", lineWidth: Math.max(pad.width, pad.height) / 12,
                         strokeStyle: inverted.checked ? "black" : "white" });
    pen.beginPath();
    pen.moveTo(...(last ?? to));
    pen.lineTo(...to);
    pen.stroke();
    last = to;
    isEmpty = false;
    tell();
  }

  function tell() {
    const { data } = pen.getImageData(0, 0, pad.width, pad.height);
    const plane = Uint8ClampedArray.from({ length: pad.width * pad.height }, (_, i) => data[4 * i]);
    drawn(resized(plane, pad.width, pad.height, width, height));
  }

  pad.addEventListener("pointerdown", event => {
    pad.setPointerCapture(event.pointerId);
    last = null;
    stroke(event);
  });
  pad.addEventListener("pointermove", event => { if (event.buttons & 1) stroke(event); });
  document.getElementById("clear").addEventListener("click", clear);
  inverted.addEventListener("change", () => {
    const image = pen.getImageData(0, 0, pad.width, pad.height);
    image.data.forEach((one, i) => { if (i % 4 < 3) image.data[i] = 255 - one; });
    pen.putImageData(image, 0, 0);
    if (!isEmpty) tell();
  });
  clear();
}
