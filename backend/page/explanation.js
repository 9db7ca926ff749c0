/* What the model looked at in one photo: colors over it, and the same as a sentence. */

import { callApi, percent, shown, withQuery } from "./api.js";

/* In log-odds: a smaller fall is within what any change of a photo does. */
const LEAST_DROP = 0.25;
const ROWS = ["upper", "middle", "lower"];
const COLUMNS = ["left", "middle", "right"];
/* Of 255: the photo is seen through the strongest color. */
const MAX_ALPHA = 200;

export class ExplanationView {
  /* `root` is the card of the photo, `form` returns its file as a form. */
  constructor(root, form) {
    const find = (selector) => root.querySelector(selector);
    this.form = form;
    this.panel = find(".explanation");
    this.button = find(".explain");
    this.layers = find(".layers");
    this.heat = find(".heat");
    this.select = find(".explanation select");
    this.sentence = find(".sentence");
    this.answer = null;
    this.found = new Map();
    this.asking = null;
    this.button.addEventListener("click", () => (this.panel.hidden ? this.open() : this.close()));
    this.select.addEventListener("change", () => this.ask(this.select.value));
    // What is painted has the colors of one scheme.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  /* Be about another answer; what was found out about the last one is forgotten. */
  follow(answer) {
    this.close();
    this.answer = answer;
    this.found.clear();
    this.button.hidden = answer.scores.length === 0;
    this.select.replaceChildren(
      ...answer.scores.map(({ name }) => new Option(shown(name), name)),
    );
  }

  open() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.ask(this.select.value);
  }

  close() {
    this.asking?.abort();
    this.asking = null;
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.paint();
  }

  async ask(name) {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    this.panel.classList.remove("failed");
    this.paint();
    try {
      if (!this.found.has(name)) {
        this.sentence.textContent = "Covering one part of the photo after the other…";
        const { model, version } = this.answer;
        const address = withQuery("classify", { model, version, explain: name });
        const answer = await callApi("POST", address, { body: this.form(), signal: asking.signal });
        this.found.set(name, answer.explanation);
      }
      if (asking.signal.aborted) return;
      this.sentence.textContent = explanationSentence(this.found.get(name));
      this.paint();
    } catch (error) {
      if (asking.signal.aborted) return;
      this.panel.classList.add("failed");
      this.sentence.textContent = `${error.message} ${error.advice || ""}`;
    }
  }

  paint() {
    const found = this.panel.hidden ? null : this.found.get(this.select.value);
    this.heat.hidden = !found;
    this.layers.classList.toggle("explained", Boolean(found));
    if (!found) return;
    const rows = found.importances;
    // A pixel for each part: the browser makes smooth transitions where it is larger.
    Object.assign(this.heat, { width: rows[0].length, height: rows.length });
    const style = getComputedStyle(this.panel);
    const colors = { for: rgb(style.getPropertyValue("--heat-for")), against: rgb(style.getPropertyValue("--heat-against")) };
    const context = this.heat.getContext("2d");
    const image = context.createImageData(this.heat.width, this.heat.height);
    rows.flat().forEach((value, place) => {
      const color = value > 0 ? colors.for : colors.against;
      image.data.set([...color, MAX_ALPHA * Math.abs(value)], 4 * place);
    });
    context.putImageData(image, 0, 0);
  }
}

function rgb(hex) {
  const number = parseInt(hex.trim().slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

/* As the window says it. */
export function explanationSentence({ importances, scale, score, lowest }) {
  const strongest = Math.max(...importances.flat());
  if (strongest * scale >= LEAST_DROP) {
    const row = importances.findIndex((values) => values.includes(strongest));
    const column = importances[row].indexOf(strongest);
    const down = ROWS[third(row, importances.length)];
    const across = COLUMNS[third(column, importances[0].length)];
    const place = down === "middle" && across === "middle" ? "middle" : `${down} ${across}`;
    return `${percent(score)}; with the part in the ${place} covered, ${percent(lowest)}.`;
  }
  const same = percent(score) === percent(lowest);
  const then = same ? `it stays ${percent(score)}` : `${percent(score)} falls to ${percent(lowest)} at most`;
  return `No single part decides: with any one covered, ${then}.`;
}

function third(place, total) {
  return Math.min(2, Math.floor(((place + 0.5) / total) * 3));
}
