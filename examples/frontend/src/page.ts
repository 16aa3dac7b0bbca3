/** The page: sign in by key, ask, watch the answer come, open its sources, say whether it helped. */

import { type Answer, ApiError, type Citation, Ragloop, type Reaction } from "./client.js";
import { placeOf } from "./source.js";

/** Return an element of index.html. */
function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  return found;
}

const problem = element("problem", HTMLElement);
const signIn = element("sign-in", HTMLFormElement);
const address = element("address", HTMLInputElement);
const key = element("key", HTMLInputElement);
const user = element("user", HTMLInputElement);
const ask = element("ask", HTMLFormElement);
const collection = element("collection", HTMLSelectElement);
const question = element("question", HTMLTextAreaElement);
const answered = element("answered", HTMLElement);
const text = element("text", HTMLElement);
const sources = element("sources", HTMLElement);
const helped = element("helped", HTMLElement);
const thanks = element("thanks", HTMLElement);
const source = element("source", HTMLElement);
const sourceTitle = element("source-title", HTMLElement);
const place = element("place", HTMLElement);

let api: Ragloop | undefined; // with the key: in memory alone, so that a reload signs out
let answer: Answer | undefined;
let opened: Citation | undefined;
let asking = new AbortController();

/** Do what a person asked for; what goes wrong is said in one line. */
async function attempt(work: () => Promise<void>): Promise<void> {
  problem.textContent = "";
  try {
    await work();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    problem.textContent = error instanceof ApiError ? error.message : "This page failed: its console says why.";
    if (!(error instanceof ApiError)) console.error(error);
    else if (error.status === 401) signInAgain();
  }
}

/** Show the form for a key; the question and the answer stay. */
function signInAgain(): void {
  signIn.hidden = false;
  ask.hidden = true;
  key.focus();
}

/** Return what a field holds. */
function filled(field: HTMLInputElement | HTMLTextAreaElement, remedy: string, pattern = /\S/): string {
  const value = field.value.trim();
  const wrong = !pattern.test(value);
  field.ariaInvalid = String(wrong);
  if (wrong) {
    field.focus();
    throw new ApiError(remedy);
  }
  return value;
}

async function enter(): Promise<void> {
  const url = filled(address, "The address is none: it begins with http:// or https://.", /^https?:\/\/\S+$/);
  const secret = filled(key, "The key is none: give one that `ragloop keys create` printed.", /^[\x21-\x7e]+$/);
  const entered = new Ragloop(url.replace(/\/+$/, ""), secret, user.value.trim() || null);
  const names = await entered.collections();
  if (names.length === 0) throw new ApiError("Nothing is here yet: add documents first.");
  const chosen = collection.value;
  collection.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
  api = entered;
  key.value = "";
  signIn.hidden = true;
  ask.hidden = false;
  question.focus();
}

async function answerQuestion(): Promise<void> {
  if (!api) return;
  const asked = filled(question, "The question is empty: write what you want to know.");
  asking.abort();
  const mine = (asking = new AbortController());
  clear();
  text.textContent = "Looking…";
  text.ariaBusy = "true"; // read out once it is whole, and not word by word
  try {
    let said = "";
    for await (const event of api.ask({ question: asked, collection: collection.value }, mine.signal)) {
      if (mine !== asking) return; // another question was asked meanwhile
      if (event.name === "token") text.textContent = said += event.data.text;
      else if (event.name === "restart") text.textContent = said = "";
      else if (event.name === "done") finish(event.data);
    }
  } finally {
    if (mine === asking) {
      text.ariaBusy = "false";
      if (!answer) text.textContent = "";
    }
  }
}

function clear(): void {
  answer = opened = undefined;
  answered.hidden = false;
  for (const part of [sources, helped, source]) part.hidden = true;
  for (const part of [sources, place, thanks]) part.replaceChildren();
  for (const button of helped.querySelectorAll("button")) button.ariaPressed = "false";
}

function finish(whole: Answer): void {
  answer = whole;
  text.textContent = whole.text;
  sources.replaceChildren(...whole.citations.map((cited) => sourceButton(whole, cited)));
  sources.hidden = whole.citations.length === 0;
  helped.hidden = false;
}

function sourceButton(whole: Answer, cited: Citation): HTMLElement {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `[${cited.number}] ${cited.document}, page ${cited.page_no}`;
  button.addEventListener("click", () => void attempt(() => open(whole, cited)));
  return button;
}

async function open(whole: Answer, cited: Citation): Promise<void> {
  if (!api) return;
  opened = cited;
  const noted: Reaction = { interaction_id: whole.id, kind: "citation_opened", chunk_id: cited.chunk_id };
  api.react(noted).catch(() => undefined); // whether it is kept is nothing to trouble the person with
  const shown = await placeOf(api, whole.collection, cited);
  if (opened !== cited) return; // another was opened meanwhile
  sourceTitle.textContent = `${cited.document}, page ${cited.page_no}`;
  place.replaceChildren(shown);
  source.hidden = false;
  sourceTitle.focus();
}

async function vote(button: HTMLButtonElement, kind: "thumb_up" | "thumb_down"): Promise<void> {
  const mine = answer;
  if (!api || !mine) return;
  thanks.textContent = "";
  await api.react({ interaction_id: mine.id, kind });
  if (answer !== mine) return; // another question was asked meanwhile
  for (const each of helped.querySelectorAll("button")) each.ariaPressed = String(each === button);
  thanks.textContent = "Thank you: the next training learns from it.";
}

function onSubmit(form: HTMLFormElement, work: () => Promise<void>): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(work);
  });
}

onSubmit(signIn, enter);
onSubmit(ask, answerQuestion);
for (const kind of ["thumb_up", "thumb_down"] as const) {
  const button = element(kind, HTMLButtonElement);
  button.addEventListener("click", () => void attempt(() => vote(button, kind)));
}
