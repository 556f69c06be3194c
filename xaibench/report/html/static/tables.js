"use strict";
// Sorting, and the hints of cells by pointer and by keyboard.
(() => {
  const NUMBER = /^[^\d\-\u2212+]*([+\-\u2212]?[\d,]*\.?\d+(?:e[+-]?\d+)?)/i;

  /** What a cell is sorted by: a number, or null where it has none. */
  const valueOf = (cell) => {
    if (!cell) return null;
    if (cell.dataset.v !== undefined) return cell.dataset.v === "" ? null : Number(cell.dataset.v);
    const text = (cell.querySelector(".v") || cell).textContent.trim();
    const found = NUMBER.exec(text);
    return found ? Number(found[1].replaceAll(",", "").replace("\u2212", "-")) : null;
  };
  const textOf = (cell) => (cell ? (cell.querySelector(".v") || cell).firstChild?.textContent.trim() ?? "" : "");

  /** Negative where row `a` comes first; what has no value stays at the end either way. */
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "string" ? sign * a.localeCompare(b, "en", {numeric: true}) : sign * (a - b);
  };

  const setUp = (table) => {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows].at(-1).cells;

    const sort = (head) => {
      const place = head.cellIndex;
      const words = head.classList.contains("w");
      const first = words || head.dataset.better === "-1" ? "ascending" : "descending";
      const second = first === "ascending" ? "descending" : "ascending";
      const now = head.getAttribute("aria-sort");
      const next = now === "none" ? first : now === first ? second : "none";
      for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", next);
      table.classList.toggle("sorted", next !== "none");
      if (next === "none") {
        body.append(...original);
        return;
      }
      const rows = original.filter((row) => !row.classList.contains("family"));
      const read = words ? (row) => textOf(row.cells[place]) : (row) => valueOf(row.cells[place]);
      const keyed = rows.map((row) => [read(row), row]);
      keyed.sort((a, b) => compare(a[0], b[0], next === "ascending" ? 1 : -1));
      body.append(...keyed.map(([, row]) => row));
    };
    for (const head of heads) head.querySelector("button")?.addEventListener("click", () => sort(head));

    // One stop of the Tab key a table; the arrow keys go on from there.
    const cells = [...body.querySelectorAll("td")];
    for (const cell of cells) {
      cell.tabIndex = -1;
      if (cell.title) {
        cell.dataset.hint = cell.title;
        cell.removeAttribute("title");
      }
    }
    if (cells.length) cells[0].tabIndex = 0;
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("tbody td");
      const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e9], End: [0, 1e9]};
      if (!cell || !(event.key in moves)) return;
      event.preventDefault();
      const rows = [...body.rows].filter((row) => row.querySelector("td"));
      const [down, along] = moves[event.key];
      const row = rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(cell.parentElement) + down))];
      const inside = [...row.querySelectorAll("td")];
      const at = [...cell.parentElement.querySelectorAll("td")].indexOf(cell) + along;
      inside[Math.min(inside.length - 1, Math.max(0, at))].focus();
    });
    table.addEventListener("focusin", (event) => {
      const cell = event.target.closest("tbody td");
      if (!cell) return;
      for (const other of cells) other.tabIndex = -1;
      cell.tabIndex = 0;
    });
  };
  document.querySelectorAll("table.sortable").forEach(setUp);

  const tip = document.getElementById("tip");
  let owner = null;
  const hide = () => {
    tip.hidden = true;
    owner?.removeAttribute("aria-describedby");
    owner = null;
  };
  const show = (element) => {
    hide();
    owner = element;
    tip.textContent = element.dataset.hint;
    tip.hidden = false;
    element.setAttribute("aria-describedby", "tip");
    put();
  };
  const put = () => {
    if (!owner) return;
    const box = owner.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8);
    const below = box.bottom + 6;
    tip.style.left = `${left}px`;
    tip.style.top = `${below + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 6 : below}px`;
  };
  const hinted = (event) => event.target.closest?.("[data-hint]") ?? null;
  let pointed = null;
  document.addEventListener("mousemove", (event) => {
    // a browser tells of a pointer that rests while the page moves below it, too
    if ((!event.movementX && !event.movementY) || hinted(event) === pointed) return;
    pointed = hinted(event);
    if (pointed) show(pointed);
    else hide();
  });
  document.addEventListener("focusin", (event) => hinted(event) && show(hinted(event)));
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("scroll", put, {capture: true, passive: true});
})();
