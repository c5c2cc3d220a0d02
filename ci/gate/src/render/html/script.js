"use strict";
(() => {
  const table = document.getElementById("table");
  const search = document.getElementById("search");
  const verdict = document.getElementById("verdict");
  const shown = document.getElementById("shown");
  const groups = Array.from(table.tBodies, (body) => {
    const [summary, detail] = body.rows;
    return { body, summary, detail, button: summary.querySelector("button.open"), text: null };
  });

  // Flamegraphs: a frame fills the width when it is chosen, and the readout says what it is.
  const CHARACTER = 6.7;
  // Of a name that is too long the end says most: outer modules are left out first.
  const fitted = (name, room) => {
    let rest = name;
    while (rest.length + (rest === name ? 0 : 1) > room) {
      const at = rest.indexOf("::");
      if (at < 0) return `…${rest.slice(1 - room)}`;
      rest = rest.slice(at + 2);
    }
    return rest === name ? name : `…${rest}`;
  };
  const flame = (box) => {
    const svg = box.querySelector("svg");
    const readout = box.parentElement.querySelector(".frame");
    const frames = Array.from(svg.querySelectorAll("g"), (g) => {
      const rect = g.querySelector("rect");
      const title = g.querySelector("title").textContent;
      return {
        g, rect, title, label: g.querySelector("text"), name: title.replace(/ \([^(]*\)$/, ""),
        x: Number(rect.dataset.x), w: Number(rect.dataset.w), y: Number(rect.getAttribute("y")),
      };
    });
    if (!frames.length) return;
    const root = frames.reduce((a, b) => (b.y < a.y ? b : a));
    let current = root;
    const inside = (inner, outer) => inner.x >= outer.x && inner.x + inner.w <= outer.x + outer.w;
    const zoom = (target) => {
      for (const it of frames) {
        const above = it.y < target.y && inside(target, it);
        const below = it.y >= target.y && inside(it, target) && it.w > 0;
        it.g.toggleAttribute("hidden", !above && !below);
        if (!above && !below) continue;
        const x = above ? 0 : ((it.x - target.x) / target.w) * 100;
        const w = above ? 100 : (it.w / target.w) * 100;
        it.rect.setAttribute("x", `${x}%`);
        it.rect.setAttribute("width", `${w}%`);
        const room = Math.noise((w * 10 - 6) / CHARACTER);
        it.label.setAttribute("x", `${x + 0.3}%`);
        it.label.textContent = room < 3 ? "" : fitted(it.name, room);
      }
    };
    const choose = (frame) => {
      current.g.classList.remove("current");
      current = frame;
      current.g.classList.add("current");
      readout.textContent = current.title;
    };
    const visible = () => frames.filter((it) => !it.g.hasAttribute("hidden"));
    const moves = {
      ArrowDown: () => visible().filter((it) => it.y > current.y && inside(it, current))
        .sort((a, b) => a.y - b.y || b.w - a.w)[0],
      ArrowUp: () => visible().filter((it) => it.y < current.y && inside(current, it))
        .sort((a, b) => b.y - a.y)[0],
      ArrowRight: () => visible().filter((it) => it.y === current.y && it.x > current.x)
        .sort((a, b) => a.x - b.x)[0],
      ArrowLeft: () => visible().filter((it) => it.y === current.y && it.x < current.x)
        .sort((a, b) => b.x - a.x)[0],
    };
    const of = (event) => frames.find((it) => it.g === event.target.closest("g"));
    svg.addEventListener("click", (event) => {
      const frame = of(event);
      if (frame) { choose(frame); zoom(frame); }
    });
    svg.addEventListener("mouseover", (event) => {
      const frame = of(event);
      if (frame) readout.textContent = frame.title;
    });
    box.addEventListener("keydown", (event) => {
      if (moves[event.key]) choose(moves[event.key]() || current);
      else if (event.key === "Enter") zoom(current);
      else if (event.key === "Escape") { choose(root); zoom(root); }
      else return;
      event.preventDefault();
    });
    zoom(root);
  };

  // Details open and close; a flamegraph comes to life when it is seen.
  const open = (group, wanted) => {
    if (!group.detail) return;
    group.detail.hidden = !wanted;
    group.button.setAttribute("aria-expanded", String(wanted));
    if (!wanted || group.alive) return;
    group.alive = true;
    group.detail.querySelectorAll(".flame").forEach(flame);
  };
  for (const group of groups) {
    open(group, false);
    if (!group.detail) group.button.removeAttribute("aria-expanded");
    group.button.addEventListener("click", () => open(group, group.detail && group.detail.hidden));
  }
  if (groups.length && groups[0].body.className !== "pass") open(groups[0], true);

  // Search in everything a benchmark says, its details included.
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of groups) {
      group.text ??= group.body.textContent.toLowerCase();
      const word = group.summary.querySelector(".word").textContent;
      const hit = words.every((it) => group.text.includes(it)) && (!verdict.value || verdict.value === word);
      group.body.hidden = !hit;
      count += hit;
    }
    shown.textContent = count === groups.length
      ? `${count} benchmark${count === 1 ? "" : "s"}`
      : `${count} of ${groups.length} benchmarks`;
  };
  search.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      filter();
    }
  });

  // Sorting keeps a benchmark's two rows together. What has no value stands last either way.
  const headers = Array.from(table.tHead.rows[0].cells);
  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (!button) return;
    const numbers = header.dataset.sort === "number";
    const key = (group) => {
      const cell = group.summary.cells[column];
      if (!numbers) return cell.textContent;
      return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
    };
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of headers) if (other.dataset.sort) other.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = groups.map((group) => [key(group), group]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = numbers ? a - b : a < b ? -1 : a > b ? 1 : 0;
        return down ? -order : order;
      });
      const sorted = document.createDocumentFragment();
      for (const [, group] of keyed) sorted.append(group.body);
      table.append(sorted);
    });
  });
})();
