/** The place that a citation names: the page of a PDF with it marked, or the passage in its text. */

import type { Citation, Ragloop } from "./client.js";

/** Return what shows the place. */
export function placeOf(api: Ragloop, collection: string, cited: Citation): Promise<HTMLElement> {
  return cited.document.toLowerCase().endsWith(".pdf") ? page(api, collection, cited) : text(api, collection, cited);
}

async function page(api: Ragloop, collection: string, cited: Citation): Promise<HTMLElement> {
  const address = URL.createObjectURL(await api.pageImage(collection, cited));
  const image = document.createElement("img");
  image.alt = `Page ${cited.page_no} of ${cited.document}, with the passage marked`;
  image.src = address;
  await image.decode();
  URL.revokeObjectURL(address);
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.append(marked(cited.quote));
  figure.append(image, caption);
  return figure;
}

async function text(api: Ragloop, collection: string, cited: Citation): Promise<HTMLElement> {
  const excerpt = await api.excerpt(collection, cited);
  const passage = document.createElement("blockquote");
  passage.append(excerpt.before, marked(excerpt.passage), excerpt.after);
  return passage;
}

function marked(words: string): HTMLElement {
  const mark = document.createElement("mark");
  mark.textContent = words;
  return mark;
}
