/** Server-sent events of a POST, which the browser's own EventSource cannot send. */

export interface ServerSentEvent {
  name: string;
  data: string;
}

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Yield the events of a stream as they come; leaving the loop ends the request. */
export async function* serverSentEvents(body: Bytes): AsyncGenerator<ServerSentEvent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = values(block, "data");
        if (data.length) yield { name: values(block, "event").at(-1) ?? "message", data: data.join("\n") };
      }
    }
  } finally {
    reader.cancel().catch(() => undefined); // a stream that broke off has nothing left to end
  }
}

/** Return what the lines of an event say of a field. */
function values(block: string, field: string): string[] {
  const lines = block.split("\n").filter((line) => line.startsWith(`${field}:`));
  return lines.map((line) => line.slice(field.length + 1).replace(/^ /, ""));
}
