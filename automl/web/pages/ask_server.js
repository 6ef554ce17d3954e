// The model runs on the server that the page comes from.
export const isQuick = false;

export const about = async () => (await fetch("model")).json();

export const answer = row => asked("predict", {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ rows: [row] }),
});

export const answerFile = file => asked(
  `predict?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });

async function asked(path, options) {
  let response, found;
  try {
    response = await fetch(path, options);
    found = await response.json();
  } catch (error) {
    throw new Error(`The server does not answer (${error.message}).`);
  }
  if (!response.ok) throw new Error(String(found.detail));
  return found;
}

export function footer(place) {
  const link = Object.assign(document.createElement("a"), { href: "docs", textContent: "How programs ask it" });
  place.replaceChildren(link);
}
