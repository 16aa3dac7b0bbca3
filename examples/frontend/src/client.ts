/** ragloop's HTTP API as the page uses it. Paths, parameters and bodies are those of its OpenAPI description. */

import type { components, paths } from "./api.js";
import { serverSentEvents } from "./events.js";

type Schemas = components["schemas"];
export type Question = Schemas["Asked"];
export type Answer = Schemas["Answered"];
export type Citation = Schemas["BoxedCitation"];
export type Excerpt = Schemas["Excerpt"];
export type Reaction = Schemas["Reaction"];

/** What POST /ask streams; its `error` is thrown as an ApiError. */
export type AnswerEvent =
  | { name: "retrieval"; data: { id: string; release_id: number; sources: Schemas["Source"][] } }
  | { name: "token"; data: { text: string; generator: string } }
  | { name: "restart"; data: Schemas["Silent"] }
  | { name: "citations"; data: Pick<Answer, "citations" | "statements"> }
  | { name: "done"; data: Answer };

type Values = Record<string, unknown> | undefined;
type Get<P extends keyof paths> = Extract<paths[P]["get"], object>;
type JsonOf<P extends keyof paths> =
  Get<P> extends { responses: { 200: { content: { "application/json": infer Told } } } } ? Told : never;

const BROKE_OFF = "The answer broke off: ask again.";

/** What the API refused or could not do, in a line that says what to do about it. */
export class ApiError extends Error {
  /** `status` is that of the HTTP response; none if there was none. */
  constructor(
    message: string,
    readonly status?: number,
  ) {
    super(message);
  }
}

/** One person's connection. Every method throws an ApiError, or what its `signal` was aborted with. */
export class Ragloop {
  /** `user` tells apart the people who share a key: each has one vote on an answer. */
  constructor(
    private readonly url: string,
    private readonly key: string,
    private readonly user: string | null,
  ) {}

  /** Return the collections that serve and that the key opens. */
  async collections(): Promise<string[]> {
    const models = await this.getJson("/v1/models", {});
    return models.data.filter((model) => model.id === model.root).map((model) => model.id);
  }

  /** Yield an answer's events as they come; the last is `done`. */
  async *ask(question: Question, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const answer = await this.post("/ask", { ...question, user: this.user, stream: true } satisfies Question, signal);
    try {
      for await (const { name, data } of serverSentEvents(answer.body ?? new ReadableStream())) {
        const told: unknown = JSON.parse(data);
        if (name === "error") throw new ApiError((told as Schemas["Problem"]).message);
        yield { name, data: told } as AnswerEvent;
        if (name === "done") return;
      }
    } catch (error) {
      throw error instanceof ApiError || signal.aborted ? error : new ApiError(BROKE_OFF);
    }
    throw new ApiError(BROKE_OFF);
  }

  /** Keep what a person makes of an answer. */
  async react(reaction: Reaction): Promise<void> {
    await this.post("/feedback", { ...reaction, user: this.user } satisfies Reaction);
  }

  /** Return the page of a PDF on which a citation stands, with the citation marked. */
  async pageImage(collection: string, cited: Citation): Promise<Blob> {
    const image = await this.get("/collections/{collection}/documents/{doc_id}/pages/{page_no}.png", {
      path: { collection, doc_id: cited.doc_id, page_no: cited.page_no },
      query: { start: cited.char_start, end: cited.char_end, scale: 2 },
    });
    return image.blob();
  }

  /** Return a citation in the text of its document, with up to `around` characters on each side. */
  excerpt(collection: string, cited: Citation, around = 600): Promise<Excerpt> {
    return this.getJson("/collections/{collection}/documents/{doc_id}/text", {
      path: { collection, doc_id: cited.doc_id },
      query: { start: cited.char_start, end: cited.char_end, around },
    });
  }

  private async getJson<P extends keyof paths>(path: P, parameters: Get<P>["parameters"]): Promise<JsonOf<P>> {
    const answer = await this.get(path, parameters);
    try {
      return (await answer.json()) as JsonOf<P>;
    } catch {
      throw new ApiError(`${this.url} does not speak as ragloop's API does: check the address.`);
    }
  }

  private get<P extends keyof paths>(path: P, parameters: Get<P>["parameters"]): Promise<Response> {
    const given: { path?: Values; query?: Values } = parameters;
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(given.path?.[name])));
    const query = Object.entries(given.query ?? {}).map(([name, value]) => [name, String(value)]);
    return this.send(query.length ? `${filled}?${new URLSearchParams(query)}` : filled, {});
  }

  private post(path: keyof paths, body: object, signal?: AbortSignal): Promise<Response> {
    const request = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    return this.send(path, signal ? { ...request, signal } : request);
  }

  private async send(path: string, request: RequestInit): Promise<Response> {
    let answer: Response;
    try {
      const headers = new Headers(request.headers);
      headers.set("Authorization", `Bearer ${this.key}`);
      answer = await fetch(this.url + path, { ...request, headers, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (request.signal?.aborted) throw error;
      const remedy = "start it, or name this origin in its RAGLOOP_API_ORIGINS";
      throw new ApiError(`${this.url} does not answer, or not to pages of ${location.origin}: ${remedy}.`);
    }
    if (answer.ok) return answer;
    throw await refusal(answer);
  }
}

async function refusal(answer: Response): Promise<ApiError> {
  try {
    return new ApiError(((await answer.json()) as Schemas["Failure"]).error.message, answer.status);
  } catch {
    return new ApiError(`The API answered ${answer.status}: try again, or look at its log.`, answer.status);
  }
}
