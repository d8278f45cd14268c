// Embeddings, as people can compare them.

const FIRST = 8;

const dot = (one, other) => one.reduce((sum, value, index) => sum + value * other[index], 0);
const length = (one) => Math.sqrt(dot(one, one));

function facts(place, found) {
  for (const [name, text] of found) {
    const term = document.createElement("dt");
    const said = document.createElement("dd");
    term.textContent = name;
    said.textContent = text;
    place.append(term, said);
  }
}

export function tellVectors(place, vectors) {
  const [one, other] = vectors;
  const begin = (vector) => vector.slice(0, FIRST).map((value) => value.toFixed(4)).join(", ");
  const found = [
    ["Dimensions", String(one.length)],
    ["First numbers", `${begin(one)}${one.length > FIRST ? ", …" : ""}`],
    ["Length", length(one).toFixed(4)],
  ];
  if (other) {
    found.push(["First numbers of the other", `${begin(other)}${other.length > FIRST ? ", …" : ""}`]);
    found.push(["Cosine of both", (dot(one, other) / (length(one) * length(other))).toFixed(4)]);
  }
  place.replaceChildren();
  facts(place, found);
}
