"use strict";

// A point opens its sentences; text is only ever set as text.
const { texts, points } = JSON.parse(document.getElementById("data").textContent);
const panel = document.getElementById("sentences");
let opener = null;

const close = () => {
  panel.hidden = true;
  opener?.focus();
};

const sentence = ([text, note]) => {
  const item = document.createElement("li");
  const words = document.createElement("bdi");
  const from = document.createElement("span");
  item.className = "text";
  Object.assign(words, { dir: "auto", lang: "ar", textContent: text });
  Object.assign(from, { className: "dim", textContent: note });
  item.append(words, from);
  return item;
};

const open = (link) => {
  const { title, total, texts: numbers } = points[link.dataset.point];
  opener = link;
  panel.querySelector("h3").textContent = title;
  panel.querySelector("p").textContent = `${numbers.length} of ${total.toLocaleString("en")} sentences`;
  panel.querySelector("ul").replaceChildren(...numbers.map((number) => sentence(texts[number])));
  panel.hidden = false;
  panel.scrollTop = 0;
  panel.focus({ preventScroll: true });
};

for (const link of document.querySelectorAll("[data-point]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    open(link);
  });
}
document.getElementById("close")?.addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && panel && !panel.hidden) close();
});
