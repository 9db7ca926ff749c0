"use strict";

const MAX_BYTES = 64 * 1024 * 1024;
const SHOWN = 5;
const MAX_NAME = 100;
/* Characters of a name on a button. */
const MAX_CAPTION = 40;
const el = (id) => document.getElementById(id);
const state = { photo: null, address: null, request: 0, answer: null, label: null, models: [], model: "" };

class ApiError extends Error {
  constructor(what, advice) {
    super(what);
    this.advice = advice;
  }
}

async function callApi(method, path, options = {}) {
  let response;
  try {
    response = await fetch(path, { method, ...options });
  } catch {
    throw new ApiError("The backend cannot be reached.", "Check that Servery is still running, then try again.");
  }
  if (response.status === 204) return null;
  let body;
  try {
    body = await response.json();
  } catch {
    throw new ApiError("The backend's response cannot be read.", "Try again.");
  }
  if (!response.ok) throw new ApiError(body.error, body.advice);
  return body;
}

/* The address of a request that is meant for the chosen model; without a choice, the current one. */
function addressFor(path) {
  return state.model ? `${path}?model=${encodeURIComponent(state.model)}` : path;
}

/* The model that answers: the chosen one, or else the current one. */
function chosenModel() {
  return state.models.find((model) => (state.model ? model.name === state.model : model.current)) || null;
}

/* A name as it may be shown: short, in one line, and with nothing in it that hides or turns what
   is around it, as the window and the command line show it. */
function shown(name, limit = MAX_NAME) {
  const characters = Array.from(name);
  const text = characters.length > limit ? `${characters.slice(0, limit - 1).join("").trimEnd()}…` : name;
  return text
    .replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
      if (character === "\n") return "\\n";
      const code = character.codePointAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    })
    .replace(/(\p{M}{4})\p{M}+/gu, "$1");
}

function percent(share) {
  const value = Math.round(share * 100);
  if (value === 0 && share > 0) return "<1%";
  if (value === 100 && share < 1) return ">99%";
  return `${value}%`;
}

function showError(error) {
  el("error").hidden = !error;
  el("error-what").textContent = error ? error.message : "";
  el("error-advice").textContent = error ? error.advice || "" : "";
}

function showScores(answer) {
  const list = el("scores");
  list.replaceChildren(
    ...answer.scores.slice(0, SHOWN).map(({ name, score }) => {
      const item = document.createElement("li");
      const title = document.createElement("span");
      title.className = "name";
      title.textContent = shown(name);
      const number = document.createElement("span");
      number.className = "percent";
      number.textContent = percent(score);
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.setAttribute("aria-hidden", "true");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 100 6");
      svg.setAttribute("preserveAspectRatio", "none");
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      rect.setAttribute("width", String(100 * score));
      rect.setAttribute("height", "6");
      svg.append(rect);
      bar.append(svg);
      item.append(title, number, bar);
      return item;
    }),
  );
  list.hidden = false;
  el("answered-by").textContent = (answer.unsure ? "Unsure. " : "") +
    `${shown(answer.model)}, version ${answer.version}, in ${Math.round(answer.milliseconds)} ms`;
  el("answered-by").hidden = false;
}

function show(answer) {
  state.answer = answer;
  showScores(answer);
  const hasClasses = answer.scores.length > 0;
  el("no-classes").hidden = hasClasses;
  el("confirm").hidden = !hasClasses;
  el("class-label").textContent = hasClasses
    ? "If not, say what the photo shows:"
    : "Say what the photo shows:";
  if (hasClasses) el("right").textContent = `Yes, ${shown(answer.scores[0].name, MAX_CAPTION)}`;
  el("teach").hidden = false;
}

function requestScores(file) {
  const form = new FormData();
  form.append("file", file);
  return callApi("POST", addressFor("classify"), { body: form });
}

async function classify(file) {
  const request = ++state.request;
  Object.assign(state, { photo: file, answer: null, label: null });
  if (state.address) URL.revokeObjectURL(state.address);
  state.address = URL.createObjectURL(file);
  const photo = el("photo");
  photo.onload = () => { if (request === state.request) showPhoto(true); };
  photo.onerror = () => { if (request === state.request) showPhoto(false); };
  photo.src = state.address;
  photo.alt = file.name ? `The photo ${file.name}` : "The photo";
  for (const id of ["waiting", "no-classes", "scores", "answered-by", "teach", "undo"]) el(id).hidden = true;
  el("saved").textContent = "";
  el("class-name").value = "";
  showError(null);
  const busy = setTimeout(() => { if (request === state.request) el("busy").hidden = false; }, 100);
  try {
    if (file.size > MAX_BYTES) {
      throw new ApiError("The file is larger than 64 MB.", "Save the photo smaller and try again.");
    }
    const answer = await requestScores(file);
    // Another photo may have been dropped meanwhile.
    if (request !== state.request) return;
    show(answer);
    el("answer-heading").focus({ preventScroll: true });
  } catch (error) {
    if (request === state.request) showError(error);
  } finally {
    clearTimeout(busy);
    if (request === state.request) el("busy").hidden = true;
  }
}

/* Instances need a moment to load a version that just went live. The photo on the page is
   classified again until the new version answers, so that a person sees what was learned. */
async function classifyAgain() {
  const { request, photo, answer } = state;
  if (!answer) return;
  for (let tries = 0; tries < 10; tries += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    if (request !== state.request) return;
    try {
      const newer = await requestScores(photo);
      if (request !== state.request) return;
      if (newer.version !== answer.version || newer.model !== answer.model) {
        show(newer);
        return;
      }
    } catch {
      return;
    }
  }
}

function showPhoto(visible) {
  el("photo").hidden = !visible;
  el("empty").hidden = visible;
  el("drop").classList.toggle("filled", visible);
  el("choose").textContent = "Choose another photo…";
}

async function saveLabel(name) {
  const photo = state.photo;
  const form = new FormData();
  form.append("class", name);
  form.append("file", photo);
  showError(null);
  try {
    // The model that answered, which may not be the chosen one any more.
    form.append("model", state.answer.model);
    const label = await callApi("POST", "labels", { body: form });
    if (photo !== state.photo) return;
    state.label = label.id;
    el("saved").textContent = label.new_class
      ? `Saved: ${shown(label.class_name)}, a new class.`
      : `Saved: ${shown(label.class_name)}.`;
    el("undo").hidden = false;
  } catch (error) {
    showError(error);
  }
}

async function undoLabel() {
  try {
    await callApi("DELETE", `labels/${state.label}`);
    el("saved").textContent = "The label was taken back.";
    el("undo").hidden = true;
    el("class-name").focus();
  } catch (error) {
    showError(error);
  }
}

async function train() {
  el("train").disabled = true;
  try {
    showRun(await callApi("POST", addressFor("training")));
  } catch (error) {
    showRun({ state: "failed", step: `${error.message} ${error.advice}`, progress: 0 });
    refreshLabels();
  }
}

function showRun(run) {
  const active = run.state === "queued" || run.state === "running";
  el("run").hidden = false;
  el("run-progress").hidden = !active;
  el("run-progress").value = run.progress;
  let text = run.step;
  if (run.state === "succeeded" && run.accuracy !== null) {
    text += ` Accuracy ${percent(run.accuracy)} on held-out images`;
    text += run.base_accuracy === null ? "." : `, ${percent(run.base_accuracy)} before.`;
  }
  el("run-step").textContent = text;
}

async function refreshStatus() {
  try {
    const health = await callApi("GET", "health");
    const ready = health.instances_ready;
    const instances = ready === 1 ? "1 instance ready" : `${ready.toLocaleString("en")} instances ready`;
    const version = health.live_version === null ? "no live version" : `version ${health.live_version}`;
    el("status").dataset.state = health.status === "ok" ? "ready" : "waiting";
    el("status-text").textContent =
      health.status === "ok" ? `${instances}, ${shown(health.model)} ${version}` : health.status;
  } catch (error) {
    el("status").dataset.state = "failed";
    el("status-text").textContent = error.message;
  }
}

async function refreshLabels() {
  try {
    const labels = await callApi("GET", addressFor("labels"));
    const count = (number) => (number === 1 ? "1 label" : `${number.toLocaleString("en")} labels`);
    const fresh = labels.since_last_run;
    const rest = fresh ? `${fresh.toLocaleString("en")} not learned from yet` : "all learned from";
    el("labels").textContent = labels.total
      ? `${count(labels.total)}, ${rest}.`
      : fresh
        ? `No labels any more, ${count(fresh)} taken back and not forgotten yet.`
        : "No labels yet. Each one makes the next version better.";
    el("train").disabled = !labels.total && !fresh;
  } catch {
    el("train").disabled = true;
  }
}

async function refreshModels() {
  try {
    state.models = await callApi("GET", "models");
  } catch {
    state.models = [];
  }
  const served = state.models.filter((model) => model.served);
  // A model that nobody serves any more cannot answer.
  if (!served.some((model) => model.name === state.model)) state.model = "";
  el("model").replaceChildren(
    ...served.map((model) => {
      const option = document.createElement("option");
      // Whoever chose nothing follows the current model, whichever that is.
      option.value = model.current ? "" : model.name;
      option.textContent = model.current ? `${shown(model.name)} (current)` : shown(model.name);
      return option;
    }),
  );
  el("model").value = state.models.some((model) => model.current && model.name === state.model) ? "" : state.model;
  el("model-choice").hidden = served.length < 2;
  showClasses();
}

function showClasses() {
  const model = chosenModel();
  const live = model ? model.versions.find((version) => version.live) : null;
  el("classes").replaceChildren(
    ...(live ? [...live.classes].sort() : []).map((name) => Object.assign(document.createElement("option"), { value: name })),
  );
}

function chooseModel(name) {
  state.model = name;
  showClasses();
  refreshLabels();
  refreshRun();
  if (state.photo) classify(state.photo);
}

async function refreshRun(id) {
  try {
    const run = id
      ? await callApi("GET", `training/${encodeURIComponent(id)}`)
      : (await callApi("GET", addressFor("training")))[0];
    const model = chosenModel();
    if (run && model && run.model === model.name) showRun(run);
    else if (!id) el("run").hidden = true;
  } catch {
    el("run").hidden = true;
  }
}

function listen() {
  const source = new EventSource("events");
  source.addEventListener("open", async () => {
    refreshStatus();
    // First: labels and training runs are those of the chosen model.
    await refreshModels();
    refreshLabels();
    refreshRun();
  });
  source.addEventListener("error", () => {
    refreshStatus();
    // A refusal ends it for good, such as that of a token which was replaced meanwhile.
    if (source.readyState === 2) setTimeout(listen, 3000);
  });
  source.addEventListener("labels", refreshLabels);
  source.addEventListener("training", (event) => refreshRun(JSON.parse(event.data).id));
  source.addEventListener("models", async () => {
    refreshStatus();
    await refreshModels();
    refreshLabels();
    classifyAgain();
  });
}

function firstImage(transfer) {
  return transfer.files[0] || null;
}

const drop = el("drop");
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const file = firstImage(event.dataTransfer);
  if (file) classify(file);
});
document.addEventListener("paste", (event) => {
  const file = firstImage(event.clipboardData);
  if (file) {
    event.preventDefault();
    classify(file);
  }
});
el("choose").addEventListener("click", () => el("file").click());
el("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) classify(file);
});
el("teach").addEventListener("submit", (event) => {
  event.preventDefault();
  saveLabel(el("class-name").value);
});
el("right").addEventListener("click", () => saveLabel(state.answer.scores[0].name));
el("undo").addEventListener("click", undoLabel);
el("train").addEventListener("click", train);
el("model").addEventListener("change", (event) => chooseModel(event.target.value));
setInterval(refreshStatus, 3000);
listen();
