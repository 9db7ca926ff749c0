/* One photo on the page: what it shows, whether that is right, or why there is no answer. */

import { ApiError, callApi, percent, shown, withQuery } from "./api.js";
import { ExplanationView } from "./explanation.js";

const MAX_BYTES = 64 * 1024 * 1024;
const SHOWN = 5;
/* How often a photo is sent once more that the service has no room for just now. */
const RETRIES = 3;
const SVG = "http://www.w3.org/2000/svg";

export class PhotoCard {
  /* `model` returns the name of the model to ask, empty for the current one; `onRetry` is called
     if a person wants an answer after all, `onRemove` if they want the photo off the page. */
  constructor(file, { model, onRetry, onRemove }) {
    this.file = file;
    this.model = model;
    this.answer = null;
    this.failed = false;
    this.label = null;
    this.name = shown(file.name || "Photo");
    this.root = document.getElementById("photo-card").content.firstElementChild.cloneNode(true);
    const part = (selector) => this.root.querySelector(selector);
    this.part = part;
    this.explanation = new ExplanationView(this.root, () => this.form());
    part("h3").textContent = this.name;
    part("h3").title = this.name;
    part(".remove").setAttribute("aria-label", `Remove ${this.name}`);
    part(".right").setAttribute("aria-label", `Yes, that is right for ${this.name}`);
    part(".wrong").setAttribute("aria-label", `No, say what ${this.name} shows`);
    part(".explain").setAttribute("aria-label", `What it looked at in ${this.name}`);
    part(".again").setAttribute("aria-label", `Try again with ${this.name}`);
    part(".undo").setAttribute("aria-label", `Undo the label of ${this.name}`);
    part(".remove").addEventListener("click", () => onRemove(this));
    part(".again").addEventListener("click", () => onRetry(this));
    part(".right").addEventListener("click", () => this.saveLabel(this.answer.scores[0].name));
    part(".wrong").addEventListener("click", () => this.showCorrection(part(".correct").hidden));
    part(".undo").addEventListener("click", () => this.undoLabel());
    part(".correct").addEventListener("submit", (event) => {
      event.preventDefault();
      this.saveLabel(part(".correct input").value);
    });
    part(".correct").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.answer.scores.length) this.showCorrection(false);
    });
    this.showPhoto();
    this.showWaiting();
  }

  form(fields = {}) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", this.file);
    return form;
  }

  showPhoto() {
    const photo = this.part("img");
    const layers = this.part(".layers");
    photo.alt = `The photo ${this.name}`;
    photo.addEventListener("load", () => {
      layers.style.setProperty("--ratio", photo.naturalWidth / photo.naturalHeight);
    });
    // Browsers show fewer kinds of files than the service reads.
    photo.addEventListener("error", () => this.root.classList.add("unseen"));
    this.address = URL.createObjectURL(this.file);
    photo.src = this.address;
  }

  showWaiting() {
    this.failed = false;
    this.showState("Waiting…");
    this.part(".failure").hidden = true;
  }

  showState(text, isBusy = false) {
    const state = this.part(".state");
    state.textContent = text;
    state.hidden = !text;
    state.classList.toggle("busy", isBusy);
  }

  showFailure(error) {
    this.failed = true;
    this.showState("");
    this.part(".failure").hidden = false;
    this.part(".what").textContent = error.message;
    this.part(".advice").textContent = error.advice || "";
  }

  /* Get an answer, unless `signal` says to stop; never raises. An earlier answer stays until then. */
  async classify(signal) {
    const hadAnswer = this.answer !== null;
    this.part(".failure").hidden = true;
    if (!hadAnswer) this.showState("Classifying…", true);
    try {
      if (this.file.size > MAX_BYTES) {
        throw new ApiError("The file is larger than 64 MB.", "Save the photo smaller and try again.");
      }
      this.show(await this.requestAnswer(signal));
    } catch (error) {
      if (signal.aborted) this.showFailure(new ApiError("Stopped before there was an answer.", ""));
      else this.showFailure(error);
      if (hadAnswer) this.failed = false;
    }
  }

  async requestAnswer(signal) {
    for (let tries = 0; ; tries += 1) {
      try {
        const address = withQuery("classify", { model: this.model() });
        return await callApi("POST", address, { body: this.form(), signal });
      } catch (error) {
        if (!error.retrySeconds || tries === RETRIES) throw error;
        if (!this.answer) this.showState("Waiting for room…", true);
        await new Promise((resolve) => { setTimeout(resolve, 1000 * error.retrySeconds); });
        signal.throwIfAborted();
      }
    }
  }

  show(answer) {
    this.answer = answer;
    this.failed = false;
    this.showState("");
    this.showScores(answer);
    this.explanation.follow(answer);
    const hasClasses = answer.scores.length > 0;
    this.part(".no-classes").hidden = hasClasses;
    this.part(".confirm").hidden = !hasClasses;
    this.part(".correct").hidden = hasClasses;
    this.part(".wrong").setAttribute("aria-expanded", "false");
    this.part(".teach").hidden = false;
  }

  showScores(answer) {
    this.part(".scores").replaceChildren(
      ...answer.scores.slice(0, SHOWN).map(({ name, score }) => {
        const item = document.createElement("li");
        item.append(element("span", "name", shown(name)), element("span", "percent", percent(score)), bar(score));
        return item;
      }),
    );
    this.part(".scores").hidden = false;
    this.part(".unsure").hidden = !answer.unsure;
    this.part(".by").textContent =
      `${shown(answer.model)}, version ${answer.version}, in ${Math.round(answer.milliseconds)} ms`;
  }

  showCorrection(visible) {
    this.part(".correct").hidden = !visible;
    this.part(".wrong").setAttribute("aria-expanded", String(visible));
    if (visible) this.part(".correct input").focus();
    else this.part(".wrong").focus();
  }

  async saveLabel(name) {
    this.part(".failure").hidden = true;
    try {
      // The model that answered, which may not be the chosen one any more.
      const body = this.form({ class: name, model: this.answer.model });
      const label = await callApi("POST", "labels", { body });
      this.label = label.id;
      this.part(".saved").textContent = label.new_class
        ? `Saved: ${shown(label.class_name)}, a new class.`
        : `Saved: ${shown(label.class_name)}.`;
      this.part(".undo").hidden = false;
      this.part(".confirm").hidden = true;
      this.part(".correct").hidden = true;
      this.part(".correct").reset();
      this.part(".undo").focus();
    } catch (error) {
      this.showFailure(error);
      this.failed = false;
    }
  }

  async undoLabel() {
    try {
      await callApi("DELETE", `labels/${this.label}`);
    } catch (error) {
      this.showFailure(error);
      this.failed = false;
      return;
    }
    const hasClasses = this.answer.scores.length > 0;
    this.part(".saved").textContent = "The label was taken back.";
    this.part(".undo").hidden = true;
    this.part(".confirm").hidden = !hasClasses;
    this.part(".correct").hidden = hasClasses;
    this.part(hasClasses ? ".right" : ".correct input").focus();
  }

  remove() {
    this.explanation.close();
    URL.revokeObjectURL(this.address);
    this.root.remove();
  }
}

function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function bar(score) {
  const bar = element("span", "bar", "");
  bar.setAttribute("aria-hidden", "true");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 6");
  svg.setAttribute("preserveAspectRatio", "none");
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("width", String(100 * score));
  rect.setAttribute("height", "6");
  svg.append(rect);
  bar.append(svg);
  return bar;
}
