"use strict";
// What the scripts of all sections share.
const xaibench = (() => {
  const held = new Map();
  const waiting = new Map();
  const parsed = (id) => {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  };
  return {
    /** The data of a section, or null. */
    data: (key) => parsed(`data-${key}`),
    /** Called by the files of data/: keep what they hold. */
    hold: (name, value) => held.set(name, value),
    /** What `View.chunk` returned the place of, as a promise. */
    load(place) {
      const name = place.replace(/^data\//, "").replace(/\.js$/, "");
      if (held.has(name)) return Promise.resolve(held.get(name));
      const inside = parsed(`chunk-${name}`);
      if (inside !== null) return Promise.resolve(inside);
      if (!waiting.has(name)) {
        waiting.set(name, new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = place;
          script.onload = () => resolve(held.get(name));
          script.onerror = () => reject(new Error(`${place} is missing`));
          document.head.append(script);
        }));
      }
      return waiting.get(name);
    },
  };
})();

(() => {
  const root = document.documentElement;
  const keep = (name, value) => {
    try {
      localStorage.setItem(`xaibench-${name}`, value);
    } catch {
      // a browser may keep nothing of pages from disk
    }
  };
  const kept = (name) => {
    try {
      return localStorage.getItem(`xaibench-${name}`);
    } catch {
      return null;
    }
  };

  document.getElementById("controls").hidden = false;

  // Which run is shown: the parts of the others are hidden, in print too.
  const panels = document.querySelectorAll(".panel");
  const runs = document.getElementById("runs");
  const choose = (run) => {
    for (const panel of panels) panel.hidden = run !== "all" && panel.dataset.run !== run;
    document.dispatchEvent(new CustomEvent("xaibench:run", {detail: run}));
  };
  if (runs) {
    runs.addEventListener("change", (event) => choose(event.target.value));
    choose(runs.querySelector(":checked").value);
  }

  const parts = document.getElementById("parts");
  const shown = (box) => root.classList.toggle(`no-${box.value}`, !box.checked);
  parts.addEventListener("change", (event) => shown(event.target));
  parts.querySelectorAll("input").forEach(shown);
  if (!document.querySelector(".p")) parts.querySelector("[value=paper]").parentElement.hidden = true;

  const themes = {"": "as the system", light: "light", dark: "dark"};
  const button = document.getElementById("theme");
  const paint = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    button.querySelector("span").textContent = themes[theme];
  };
  button.addEventListener("click", () => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
    paint(next);
    keep("theme", next);
  });
  const theme = kept("theme");
  if (theme in themes) paint(theme);

  // Commands can be copied where the browser lets a page do that.
  for (const copy of document.querySelectorAll(".copy")) {
    copy.hidden = !navigator.clipboard;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(copy.previousElementSibling.textContent);
      copy.textContent = "Copied";
    });
  }

  // The section in sight is marked in the list of sections.
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const watch = new IntersectionObserver((seen) => {
    for (const one of seen) {
      if (!one.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(one.target.id)?.setAttribute("aria-current", "true");
    }
  }, {rootMargin: "0px 0px -70% 0px"});
  document.querySelectorAll("main > section").forEach((section) => watch.observe(section));
})();
