// Runs backend/page/page.js without a browser: `node page_in_node.js PAGE_JS < SCENARIO`.
// The scenario, in JSON, is what the service answers by "METHOD address", and steps: [event,
// data] of the event stream, or [element id, DOM event, properties of its target]. Prints, as
// JSON, the requests that were sent and what the elements of the page show in the end.
"use strict";

const fs = require("fs");
const vm = require("vm");

class Element {
  constructor() {
    Object.assign(this, { hidden: false, textContent: "", value: "", dataset: {}, children: [], listeners: {} });
    this.classList = { add() {}, remove() {}, toggle() {} };
  }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  replaceChildren(...children) { this.children = children; }
  append(...children) { this.children.push(...children); }
  setAttribute() {}
  focus() {}
}

async function main() {
  const { answers, steps } = JSON.parse(fs.readFileSync(0, "utf-8"));
  const elements = {};
  const stream = new Element();
  const requests = [];
  const document = new Element();
  document.getElementById = (id) => (elements[id] ||= new Element());
  document.createElement = document.createElementNS = () => new Element();
  class Blobs extends URL {}
  Blobs.createObjectURL = () => "blob:photo";
  Blobs.revokeObjectURL = () => {};
  const context = vm.createContext({
    document,
    EventSource: function EventSource() { return stream; },
    FormData: Map,
    URL: Blobs,
    setInterval() {},
    setTimeout: (work) => setImmediate(work),
    clearTimeout: clearImmediate,
    fetch: async (address, { method, body }) => {
      const fields = body ? Object.fromEntries([...body].filter(([name]) => name !== "file")) : {};
      requests.push([method, address, fields]);
      const answer = answers[`${method} ${address}`];
      return { ok: answer !== undefined, status: 200, json: async () => answer ?? { error: "None.", advice: "" } };
    },
  });
  // A form keeps the fields that are appended.
  vm.runInContext("FormData.prototype.append = FormData.prototype.set;", context);
  vm.runInContext(fs.readFileSync(process.argv[2], "utf-8"), context);
  for (const [target, second, properties] of steps) {
    if (properties === undefined) await stream.listeners[target]({ data: JSON.stringify(second) });
    else await elements[target].listeners[second]({ target: Object.assign(elements[target], properties), preventDefault() {} });
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  }
  const shown = Object.fromEntries(
    Object.entries(elements).map(([id, each]) => [
      id,
      { hidden: each.hidden, text: each.textContent, value: each.value, options: each.children.map((child) => [child.value, child.textContent]), parts: each.children.map((child) => child.children.map((part) => part.textContent)) },
    ]),
  );
  process.stdout.write(JSON.stringify({ requests, shown }));
}

main();
