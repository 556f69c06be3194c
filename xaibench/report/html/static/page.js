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
