"use strict";
const token = new URLSearchParams(location.search).get("token");
const byId = (name) => document.getElementById(name);
const KEYS = { a: "accept", r: "reject", u: "unsure", n: "next", ArrowRight: "next", p: "previous", ArrowLeft: "previous", z: "undo", f: "filter", e: "edit" };
const SAYS = { accept: "accepted", reject: "rejected", unsure: "unsure", other: "changed to" };
let state = { questions: [], words: {} };
let filter = "all";
let place = null; // of the question that is shown; null: all of the filter's are answered
let busy = false; // a decision is on its way: further keys wait for its end
let missed = false; // the window came back meanwhile: the file is looked at again after it

async function ask(path, body) {
  const post = body && { method: "POST", headers: { "Content-Type": "application/json", "X-Review-Token": token }, body: JSON.stringify(body) };
  const reply = await fetch(body ? path : `${path}?token=${token}`, post || {});
  const told = await reply.json().catch(() => ({ error: `the server says ${reply.status}` }));
  if (!reply.ok) throw new Error(told.error || `the server says ${reply.status}`);
  return told;
}

const of = (name) => state.questions.filter((one) => name === "all" || (name === "lost" ? one.lost : one.attribute === name));
const listed = () => of(filter);
const open = () => listed().filter((one) => !one.answer);
const filters = () => ["all", ...["gender", "age", "swap", "mask", "lost"].filter((name) => of(name).length)];

function nextOpen(after) {
  const waiting = open();
  const later = waiting.find((one) => after === null || one.place > after);
  return (later || waiting[0] || { place: null }).place;
}

function step(by) {
  const own = listed();
  if (!own.length) return;
  const at = own.findIndex((one) => one.place === place);
  place = own[at < 0 ? (by > 0 ? 0 : own.length - 1) : Math.min(own.length - 1, Math.max(0, at + by))].place;
}

function text(tag, content, name) {
  const made = document.createElement(tag);
  made.textContent = content;
  if (name) made.className = name;
  return made;
}

const MASKS = { wear: "mask worn", incorrect: "worn incorrectly", not_wear: "no mask" };

function words(question, value) {
  if (question.attribute === "age") return Number(value) >= 60 ? "60 or older" : `${value} years`;
  return value.split(" / ").map((word) => MASKS[word] || word).join(" / ");
}

function percent(share) {
  return share > 0.999 ? "over 99.9 %" : share < 0.001 ? "under 0.1 %" : `${(100 * share).toFixed(share > 0.99 || share < 0.01 ? 1 : 0)} %`;
}

function drawPhoto(photo) {
  const figure = text("figure", "", photo.about ? "about" : "");
  const image = new Image();
  image.src = `/photo/${photo.row}.jpg?token=${token}`;
  image.alt = photo.file;
  const caption = text("figcaption", photo.file.replace(/\.[^.]+$/, ""));
  if (photo.belief !== null && photo.belief !== undefined) {
    const bar = text("i", "");
    bar.style.width = `${Math.round(100 * photo.belief)}%`;
    bar.style.background = photo.belief < 0.5 ? "var(--bad)" : "var(--good)";
    const belief = text("div", "", "belief");
    belief.append(bar);
    caption.append(text("span", `${Math.round(100 * photo.belief)} %`), belief);
  }
  figure.append(image, caption);
  return figure;
}

const says = (answer) => `${SAYS[answer.answer]}${answer.answer === "other" ? ` ${answer.value}` : ""} · ${answer.by}`;

function drawQuestion(question) {
  const pair = question.attribute === "swap";
  byId("claim").replaceChildren(
    text("small", pair ? "two photos exchanged? written " : "written "), text("span", words(question, question.written), "written"),
    text("small", ", the models say "), text("span", words(question, question.proposed), "proposed"));
  const answer = question.answer;
  byId("badge").className = answer ? answer.answer : "";
  byId("badge").textContent = answer ? says(answer) : question.lost ? `was ${says(question.lost)}, gone from the file` : "";
  byId("evidence").textContent = `wrong: ${percent(question.probability)} · ${question.votes} of ${question.judgements} judgements against · `
    + `${question.person} · written ${question.known}`;
  for (const [name, about] of [["large", true], ["small", false]])
    byId(name).replaceChildren(...question.photos.filter((one) => one.about === about).map(drawPhoto));
  byId("accept-what").textContent = pair ? "exchange" : words(question, question.proposed);
  byId("reject-what").textContent = pair ? "as written" : `stays ${words(question, question.written)}`;
  drawOther(question);
}

function drawOther(question) {
  byId("other").hidden = question.attribute === "swap" || question.attribute === "gender";
  const years = question.attribute === "age";
  const field = document.createElement(years ? "input" : "select");
  field.id = "value";
  if (years) Object.assign(field, { type: "number", min: 1, max: 120, placeholder: "years" });
  else field.append(...["", ...(state.words[question.attribute] || [])].map((word) => new Option(MASKS[word] || word, word)));
  byId("other-field").replaceChildren(field);
}

function drawLost() {
  const lost = of("lost").length;
  if (filter === "lost" && !lost) { filter = "all"; place = nextOpen(place); }
  byId("lost").hidden = !lost;
  byId("lost").textContent = `Another program wrote ${state.file}: ${lost} answer${lost === 1 ? " that stood in it is" : "s that stood in it are"} `
    + "gone, and open again. Reload the file in your editor before you save it once more, then answer again what \"lost\" lists.";
}

function draw() {
  drawLost();
  const own = listed(), answered = own.length - open().length;
  byId("bar").style.width = own.length ? `${(100 * answered) / own.length}%` : "0";
  byId("count").textContent = `${answered} of ${own.length} decided`;
  byId("filters").replaceChildren(...filters().map((name) => {
    const chip = text("button", `${name === "swap" ? "exchanged" : name} ${of(name).length}`);
    chip.setAttribute("aria-pressed", name === filter);
    chip.onclick = () => choose(name);
    return chip;
  }));
  const question = state.questions[place];
  byId("question").hidden = !question;
  byId("done").hidden = Boolean(question);
  if (question) drawQuestion(question);
  else {
    byId("done-title").textContent = own.length ? "All decided." : "No suspects.";
    byId("done-text").textContent = `${state.file} holds the decisions; make repro applies them.`;
  }
  const at = own.findIndex((one) => one.place === place);
  if (question) byId("count").textContent = `${at + 1} of ${own.length} · ${byId("count").textContent}`;
  preload();
}

function preload() {
  const soon = state.questions[nextOpen(place)];
  for (const photo of soon ? soon.photos : []) new Image().src = `/photo/${photo.row}.jpg?token=${token}`;
}

function say(message, note) {
  byId("message").hidden = !message;
  byId("message").className = note ? "note" : "";
  byId("message").textContent = message || "";
}

function tell(error) {
  say(error instanceof TypeError ? "The server does not answer; nothing was written. Start make review again." : error.message);
}

function choose(name) {
  filter = name;
  place = nextOpen(null);
  draw();
}

async function decide(answer, value) {
  if (place === null) return;
  const told = await ask("/answer", { place, answer, value: value || "" });
  state = told.state;
  if (told.written) {
    say("");
    place = nextOpen(place);
  } else say("This question is answered already; z takes the answer back.", true);
}

async function undo() {
  const told = await ask("/undo", { place: place !== null && state.questions[place].answer ? place : null });
  state = told.state;
  place = told.place;
  if (filter !== "all" && state.questions[place].attribute !== filter) filter = "all";
  say("Taken back: decide again.", true);
}

async function act(what, value) {
  if (busy) return;
  busy = true;
  try {
    if (what === "next" || what === "previous") { say(""); step(what === "next" ? 1 : -1); }
    else if (what === "filter") { const all = filters(); choose(all[(all.indexOf(filter) + 1) % all.length]); }
    else if (what === "undo") await undo();
    else if (what === "edit") byId("value").focus();
    else await decide(what, value);
    if (what !== "edit") draw();
  } catch (error) { tell(error); }
  finally { busy = false; }
  if (missed) refresh();
}

// Back from an editor: what it did to the file is shown before the next answer.
async function refresh() {
  missed = busy;
  if (busy) return;
  try {
    const told = await ask("/state");
    if (busy || JSON.stringify(told) === JSON.stringify(state)) return; // drawing would empty a half-typed field
    state = told;
    if (place === null) place = nextOpen(null);
    say("");
    draw();
  } catch (error) { tell(error); }
}

document.addEventListener("keydown", (event) => {
  const field = event.target.id === "value";
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (field && event.key === "Escape") event.target.blur();
  if (field && event.key === "Enter" && event.target.value) { event.preventDefault(); act("other", event.target.value); }
  if (field || !KEYS[event.key]) return;
  event.preventDefault();
  act(KEYS[event.key]);
});
document.querySelectorAll("footer button").forEach((button) => { button.onclick = () => { button.blur(); act(button.dataset.do); }; });
window.addEventListener("focus", refresh);
ask("/state").then((told) => { state = told; place = nextOpen(null); draw(); }).catch((error) => say(error.message));
