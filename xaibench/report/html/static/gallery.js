"use strict";
// The gallery: filters, orders and pages of cards; pictures and curves come when a card is near.
(() => {
  const PAGE = 100;
  const SVG = "http://www.w3.org/2000/svg";

  const make = (name, text = "", attributes = {}) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const known = (values) => values.filter((value) => value !== null);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const printed = (metric, value) =>
    value === null ? "-" : value.toFixed(metric.digits).replace(/^-(0(\.0*)?)$/, "$1").replace("-", "\u2212");

  /** A number an image by which an order sorts, largest first; null: last. */
  const keys = (data, order, m, method) => {
    const of = data.values[m] || [];
    const rows = (i) => of.map((values) => values[i]);
    const sign = data.metrics[m] && data.metrics[m].higher === false ? -1 : 1;
    if (order === "maps") return data.apart;
    return data.images.map((_, i) => {
      const values = rows(i);
      if (order === "values") {
        const held = known(values);
        return held.length > 1 ? Math.max(...held) - Math.min(...held) : null;
      }
      const value = method === null ? (values.includes(null) ? null : mean(values)) : values[method];
      return value === null || value === undefined ? null : value * sign * (order === "worst" ? -1 : 1);
    });
  };

  const rule = (data, order, metric, method) => {
    if (!order) return "";
    if (order === "maps") {
      return "First come images whose maps differ most: 1 minus Spearman's rank correlation of two methods' "
        + "maps (means over squares, 56 a side), mean over every two methods. Those without come last.";
    }
    if (order === "values") {
      return `First come images on which the methods' values of ${metric.label} differ most: the largest minus the smallest.`;
    }
    const whose = method === null ? "the mean over all methods" : data.methods[method];
    const way = metric.higher === null ? " Nobody says which direction is better: the highest is called best." : "";
    return `By ${whose}, ${metric.label}, ${order} first; images without ${method === null ? "a value of every method" : "a value"} come last.${way}`;
  };

  const card = (data, i, m, method) => {
    const element = make("article", "", { class: "g-card", "data-image": i });
    element.append(make("h4", data.images[i]));
    const label = data.label[i], predicted = data.predicted[i], facts = [];
    if (label >= 0) facts.push(`true: ${data.classes[label]}`);
    if (predicted >= 0) {
      const p = data.probability[i];
      facts.push(`predicted: ${data.classes[predicted]}${p === null ? "" : ` (${p.toFixed(2)})`}`);
    }
    if (label >= 0 && predicted >= 0) facts.push(label === predicted ? "\u2713 right" : "\u2717 wrong");
    if (data.apart[i] !== null) facts.push(`maps differ by ${data.apart[i].toFixed(2)}`);
    element.append(make("p", facts.join(" \u00b7 "), { class: "g-facts" }));
    const maps = make("div", "", { class: "g-maps" });
    ["Image", ...data.methods].forEach((name, place) => {
      const figure = make("figure", "", { "data-place": place });
      if (place && method === place - 1) figure.className = "g-on";
      figure.append(make("div", "", { class: "g-none", style: `aspect-ratio:${data.size[1]}/${data.size[0]}` }));
      const caption = make("figcaption");
      caption.append(make("span", name));
      if (place && data.metrics.length) {
        caption.append(make("b", printed(data.metrics[m], data.values[m][place - 1][i])));
      }
      figure.append(caption);
      maps.append(figure);
    });
    element.append(maps);
    if (data.metrics.length) {
      const details = make("details");
      details.append(make("summary", "All values"));
      details.addEventListener("toggle", () => {
        if (details.open && !details.querySelector("table")) details.append(table(data, i));
      });
      element.append(details);
    }
    return element;
  };

  const table = (data, i) => {
    const scroll = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Values of ${data.images[i]}` });
    const held = make("table"), head = make("tr"), body = make("tbody");
    head.append(make("th", "Method", { scope: "col" }));
    for (const metric of data.metrics) {
      const arrow = metric.higher === null ? "" : metric.higher ? " \u2191" : " \u2193";
      head.append(make("th", metric.label + arrow, { scope: "col" }));
    }
    const top = make("thead");
    top.append(head);
    data.methods.forEach((name, place) => {
      const row = make("tr");
      row.append(make("th", name, { scope: "row" }));
      data.metrics.forEach((metric, m) => row.append(make("td", printed(metric, data.values[m][place][i]))));
      body.append(row);
    });
    held.append(top, body);
    scroll.append(held);
    return scroll;
  };

  /** Put pictures and curves into a card; a promise of that. */
  const fill = (data, element, method) => {
    const i = Number(element.dataset.image);
    return xaibench.load(data.chunks[Math.floor(i / data.chunk)]).then((part) => {
      const one = part[i % data.chunk];
      for (const figure of element.querySelectorAll(".g-maps figure")) {
        const place = Number(figure.dataset.place), empty = figure.querySelector(".g-none");
        if (!empty) continue;
        if (!one.strip || !one.there[place]) {
          empty.textContent = place ? "no map" : "no photograph";
          continue;
        }
        const name = place ? `${data.methods[place - 1]} over ${data.images[i]}` : data.images[i];
        const image = make("img", "", {
          alt: name, width: data.size[1], height: data.size[0], loading: "lazy", decoding: "async",
          style: `aspect-ratio:${data.size[1]}/${data.size[0]};object-position:${(100 * place) / data.methods.length}% 0`,
        });
        image.src = one.strip;
        empty.replaceWith(image);
      }
      const curves = make("div", "", { class: "g-curves" });
      data.metrics.forEach((metric, m) => {
        if (one.curves[m] && one.curves[m].some((curve) => curve)) {
          curves.append(plot(data, metric, one.curves[m], method));
        }
      });
      if (curves.childElementCount && !element.querySelector(".g-curves")) {
        element.querySelector(".g-maps").after(curves);
      }
    }).catch((error) => {
      element.querySelector(".g-facts").append(` \u00b7 ${error.message}`);
    });
  };

  const plot = (data, metric, curves, method) => {
    const figure = make("figure"), svg = document.createElementNS(SVG, "svg");
    const [low, high] = metric.ends, span = high - low || 1;
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${metric.title}: a curve for each method`);
    const lines = curves.map((curve, place) => {
      if (!curve) return null;
      const line = document.createElementNS(SVG, "polyline"), last = Math.max(curve.length - 1, 1);
      line.setAttribute("points", curve.map((y, x) =>
        `${((100 * x) / last).toFixed(1)},${(100 - (100 * (y - low)) / span).toFixed(1)}`).join(" "));
      line.dataset.place = place + 1;
      if (place === method) line.setAttribute("class", "g-on");
      return line;
    }).filter(Boolean);
    lines.sort((a, b) => a.classList.contains("g-on") - b.classList.contains("g-on"));
    svg.append(...lines);
    figure.append(svg, make("figcaption", `${metric.title}, ${low} to ${high}`));
    return figure;
  };

  const start = (root, data) => {
    const form = root.querySelector(".g-controls"), list = root.querySelector(".g-list");
    const status = root.querySelector(".g-status"), pages = root.querySelector(".g-pages");
    const field = (name) => form.elements.namedItem(name);
    const counts = new Map();
    data.label.forEach((label) => counts.set(label, (counts.get(label) || 0) + 1));
    const named = [...counts].filter(([label]) => label >= 0);
    named.sort((a, b) => data.classes[a[0]].localeCompare(data.classes[b[0]], "en", { numeric: true }));
    for (const [label, count] of named) {
      field("class").append(make("option", `${data.classes[label]} (${count})`, { value: label }));
    }
    data.metrics.forEach((metric, m) => field("metric").append(make("option", metric.label, { value: m })));
    data.methods.forEach((name, place) => field("method").append(make("option", name, { value: place })));
    const judged = data.label.some((label, i) => label >= 0 && data.predicted[i] >= 0);
    field("class").disabled = !named.length;
    field("right").disabled = !judged;
    field("metric").disabled = !data.metrics.length;
    for (const option of field("order").options) {
      if (option.value === "maps") option.disabled = known(data.apart).length < 2;
      else if (option.value) option.disabled = !data.metrics.length;
    }
    field("metric").value = data.first;
    form.hidden = false;
    let page = 0, found = [];
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        fill(data, entry.target, chosen("method"));
      }
    }, { rootMargin: "800px" });
    const chosen = (name) => (field(name).value === "" ? null : Number(field(name).value));

    const show = () => {
      const m = chosen("metric") || 0, method = chosen("method");
      const first = page * PAGE, some = found.slice(first, first + PAGE);
      near.disconnect();
      list.replaceChildren(...some.map((i) => card(data, i, m, method)));
      for (const element of list.children) near.observe(element);
      const n = found.length.toLocaleString("en"), all = data.images.length.toLocaleString("en");
      status.textContent = some.length
        ? `${n} of ${all} images, ${first + 1} to ${first + some.length}` : `None of ${all} images`;
      pages.hidden = found.length <= PAGE;
      pages.children[0].disabled = !page;
      pages.children[1].disabled = first + PAGE >= found.length;
    };
    const choose = () => {
      const order = field("order").value, m = chosen("metric") || 0, method = chosen("method");
      const label = chosen("class"), right = chosen("right");
      found = data.images.map((_, i) => i).filter((i) => (label === null || data.label[i] === label)
        && (right === null || (data.label[i] >= 0 && data.predicted[i] >= 0
          && (data.label[i] === data.predicted[i]) === Boolean(right))));
      if (order) {
        const by = keys(data, order, m, method);
        found.sort((a, b) => (by[a] === null) - (by[b] === null) || by[b] - by[a] || a - b);
      }
      root.querySelector(".g-rule").textContent = rule(data, order, data.metrics[m], method);
      page = 0;
      show();
    };
    form.addEventListener("change", choose);
    form.addEventListener("submit", (event) => event.preventDefault());
    pages.addEventListener("click", (event) => {
      const step = Number(event.target.dataset.step || 0);
      if (!step) return;
      page += step;
      show();
      status.focus();
    });
    const mark = (event, on) => {
      const figure = event.target.closest(".g-maps figure"), element = event.target.closest(".g-card");
      if (!figure || !element) return;
      for (const line of element.querySelectorAll("polyline")) {
        const here = line.dataset.place === figure.dataset.place;
        line.classList.toggle("g-on", on ? here : Number(line.dataset.place) - 1 === chosen("method"));
      }
    };
    list.addEventListener("pointerover", (event) => mark(event, true));
    list.addEventListener("pointerout", (event) => mark(event, false));
    choose();
    return () => Promise.all([...list.children].map((element) => fill(data, element, chosen("method"))))
      .then(() => Promise.all([...list.querySelectorAll("img")].map((image) => {
        image.loading = "eager";
        return image.decode().catch(() => {});
      })));
  };

  const all = xaibench.data("gallery") || [];
  const roots = [...document.querySelectorAll("[data-gallery]")];
  const wholes = roots.map((root) => start(root, all[Number(root.dataset.gallery)]));
  const whole = () => Promise.all(wholes.map((fillAll) => fillAll()));
  // Paper shows what is not near too. A browser prints what is there, so its key waits for that.
  addEventListener("beforeprint", whole);
  // A program that prints presses no key: for it index.html?print has all pictures from the start.
  if (new URLSearchParams(location.search).has("print")) whole();
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    whole().then(() => window.print());
  });
})();
