/* The photos on the page, a few of which are classified at a time. */

import { count, percent, shown } from "./api.js";
import { PhotoCard } from "./photo_card.js";

/* Requests under way at a time: others who use the service have their turn between. */
const AT_ONCE = 4;
export const MAX_PHOTOS = 500;

export class PhotoList {
  /* `model` returns the name of the model to ask, empty for the current one. */
  constructor(model) {
    this.model = model;
    this.cards = [];
    this.waiting = [];
    this.running = new Map();
    /* Those that were added since nothing was under way. */
    this.batch = new Set();
    this.element = document.getElementById("photos");
    this.progress = document.getElementById("batch-progress");
    this.text = document.getElementById("batch-text");
    this.stopButton = document.getElementById("stop");
    this.stopButton.addEventListener("click", () => this.stop());
    document.getElementById("clear").addEventListener("click", () => this.clear());
  }

  /* Show the photos before those that are there, and classify them; returns how many had no room. */
  add(files) {
    const taken = files.slice(0, Math.max(0, MAX_PHOTOS - this.cards.length));
    const added = taken.map(
      (file) =>
        new PhotoCard(file, {
          model: this.model,
          onRetry: (card) => this.classify([card]),
          onRemove: (card) => this.remove(card),
        }),
    );
    this.cards.unshift(...added);
    this.element.prepend(...added.map((card) => card.root));
    if (added.length) announce(`Classifying ${count(added.length, "photo")}.`);
    this.classify(added);
    return files.length - taken.length;
  }

  classify(cards) {
    for (const card of cards) {
      if (this.waiting.includes(card) || this.running.has(card)) continue;
      if (!card.answer) card.showWaiting();
      this.batch.add(card);
      this.waiting.push(card);
    }
    this.startNext();
  }

  startNext() {
    while (this.running.size < AT_ONCE && this.waiting.length) {
      const card = this.waiting.shift();
      const stopping = new AbortController();
      this.running.set(card, stopping);
      card.classify(stopping.signal).finally(() => {
        this.running.delete(card);
        this.startNext();
      });
    }
    this.showProgress();
    if (!this.running.size && this.batch.size) {
      this.announceAnswers();
      this.batch.clear();
    }
  }

  /* Another model, or another version of it, is to answer: all photos are classified again. */
  classifyAgain() {
    this.classify(this.cards.filter((card) => card.answer || card.failed));
  }

  stop() {
    const waiting = this.waiting.splice(0);
    for (const card of waiting) card.showFailure(new Error("Stopped before there was an answer."));
    for (const stopping of this.running.values()) stopping.abort();
    this.showProgress();
    document.getElementById("clear").focus();
  }

  clear() {
    for (const card of [...this.cards]) this.take(card);
    this.showProgress();
    document.getElementById("choose").focus();
  }

  remove(card) {
    const place = this.cards.indexOf(card);
    this.take(card);
    this.showProgress();
    const next = this.cards[place] || this.cards[place - 1];
    if (next) next.part(".remove").focus();
    else document.getElementById("choose").focus();
  }

  take(card) {
    this.cards.splice(this.cards.indexOf(card), 1);
    this.waiting = this.waiting.filter((each) => each !== card);
    this.batch.delete(card);
    this.running.get(card)?.abort();
    card.remove();
  }

  showProgress() {
    const isBusy = this.waiting.length > 0 || this.running.size > 0;
    const total = this.batch.size;
    const left = [...this.batch].filter((card) => this.waiting.includes(card) || this.running.has(card)).length;
    const failed = this.cards.filter((card) => card.failed).length;
    const failures = failed ? `, ${failed.toLocaleString("en")} without an answer` : "";
    this.text.textContent = isBusy && total > 1
      ? `${(total - left).toLocaleString("en")} of ${count(total, "photo")} classified`
      : `${count(this.cards.length, "photo")}${failures}`;
    this.progress.hidden = !isBusy || total < 2;
    this.progress.value = total ? (total - left) / total : 0;
    this.stopButton.hidden = this.progress.hidden;
    this.element.classList.toggle("single", this.cards.length === 1);
    document.getElementById("results").hidden = this.cards.length === 0;
    document.getElementById("drop").classList.toggle("filled", this.cards.length > 0);
  }

  /* For those who do not see the page; once at the end, since hundreds would be read out. */
  announceAnswers() {
    const cards = [...this.batch];
    const failed = cards.filter((card) => card.failed).length;
    if (cards.length > 1) {
      announce(`${count(cards.length - failed, "photo")} classified${failed ? `, ${failed} without an answer` : ""}.`);
      return;
    }
    const [card] = cards;
    const best = card.answer?.scores[0];
    if (card.failed) announce(`${card.name}: ${card.part(".what").textContent}`);
    else if (best) announce(`${card.name}: ${shown(best.name)}, ${percent(best.score)}`);
  }
}

function announce(text) {
  document.getElementById("announcement").textContent = text;
}
