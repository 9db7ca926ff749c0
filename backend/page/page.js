/* The web page: which model answers, how the service is, what is learned, and where photos come from. */

import { callApi, count, percent, shown, withQuery } from "./api.js";
import { droppedFiles } from "./dropped_files.js";
import { MAX_PHOTOS, PhotoList } from "./photo_list.js";

/* How long instances may take to load a version that just went live. */
const LOADING_TRIES = 10;
const el = (id) => document.getElementById(id);
const state = { models: [], model: "", live: "" };
const photos = new PhotoList(() => state.model);

/* The address of a request that is meant for the chosen model; without a choice, the current one. */
function addressFor(path) {
  return withQuery(path, { model: state.model });
}

/* The model that answers: the chosen one, or else the current one. */
function chosenModel() {
  return state.models.find((model) => (state.model ? model.name === state.model : model.current)) || null;
}

function addPhotos(files) {
  const refused = photos.add(files);
  el("refused").hidden = refused === 0;
  el("refused").textContent =
    `${count(refused, "photo")} too many: this page shows ${MAX_PHOTOS} at most. ` +
    "Remove some, or classify whole folders in Servery's window.";
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
    const instances = `${count(health.instances_ready, "instance")} ready`;
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
    const fresh = labels.since_last_run;
    const rest = fresh ? `${fresh.toLocaleString("en")} not learned from yet` : "all learned from";
    el("labels").textContent = labels.total
      ? `${count(labels.total, "label")}, ${rest}.`
      : fresh
        ? `No labels any more, ${count(fresh, "label")} taken back and not forgotten yet.`
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
    // A person who chose nothing follows the current model, whichever that is.
    ...served.map((model) =>
      model.current ? new Option(`${shown(model.name)} (current)`, "") : new Option(shown(model.name), model.name),
    ),
  );
  el("model").value = state.models.some((model) => model.current && model.name === state.model) ? "" : state.model;
  el("model-choice").hidden = served.length < 2;
  showClasses();
}

function liveVersion() {
  return chosenModel()?.versions.find((version) => version.live) || null;
}

function showClasses() {
  const live = liveVersion();
  state.live = live ? `${chosenModel().name} ${live.number}` : "";
  el("classes").replaceChildren(
    ...(live ? [...live.classes].sort() : []).map((name) => Object.assign(document.createElement("option"), { value: name })),
  );
}

/* Instances need a moment to load a version that just went live. Then the photos on the page are
   classified again, so that a person sees what was learned. */
async function classifyWithLiveVersion() {
  const awaited = state.live;
  const probe = photos.cards.find((card) => card.answer);
  for (let tries = 0; probe && tries < LOADING_TRIES; tries += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    if (state.live !== awaited) return;
    try {
      const { model, version } = await probe.requestAnswer(new AbortController().signal);
      if (`${model} ${version}` === awaited) {
        photos.classifyAgain();
        return;
      }
    } catch {
      return;
    }
  }
}

function chooseModel(name) {
  state.model = name;
  showClasses();
  refreshLabels();
  refreshRun();
  photos.classifyAgain();
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
  source.addEventListener("missed", () => { source.close(); listen(); });
  source.addEventListener("labels", refreshLabels);
  source.addEventListener("training", (event) => refreshRun(JSON.parse(event.data).id));
  source.addEventListener("models", async () => {
    refreshStatus();
    const before = state.live;
    await refreshModels();
    refreshLabels();
    if (state.live !== before) classifyWithLiveVersion();
  });
}

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    el("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) el("drop").classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  el("drop").classList.remove("over");
  addPhotos(await droppedFiles(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) {
    event.preventDefault();
    addPhotos(files);
  }
});
el("choose").addEventListener("click", () => el("file").click());
el("take").addEventListener("click", () => el("camera").click());
// Browsers of phones and tablets open the camera for it; elsewhere it would be a second "Choose".
const hasFingers = matchMedia("(pointer: coarse)").matches;
el("take").hidden = !hasFingers;
if (hasFingers) el("lead").textContent = "Choose photos, or take one";
for (const id of ["file", "camera"]) {
  el(id).addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    addPhotos(files);
  });
}
el("train").addEventListener("click", train);
el("model").addEventListener("change", (event) => chooseModel(event.target.value));
setInterval(refreshStatus, 3000);
listen();
