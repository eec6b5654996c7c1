// The page: one part for each text, one section for each of its views, and the table of contents.

{
  const texts = new Map();
  for (const view of DATA.views) {
    const key = JSON.stringify([view.line ?? null, view.text ?? ""]);
    if (!texts.has(key)) texts.set(key, []);
    texts.get(key).push(view);
  }
  const explained = new Set();
  const [main, contents] = [document.getElementById("views"), document.getElementById("contents")];
  const models = new Set(DATA.views.map((view) => view.model));
  document.getElementById("models").append(...[...models].map((model) => el("li", {}, model)));
  let number = 0;
  for (const views of texts.values()) {
    number += 1;
    const text = views[0].text || say("no_text");
    const entry = el("ol");
    const part = el("section", { class: "part", id: `t${number}`, "aria-labelledby": `t${number}-h` },
      el("h2", { id: `t${number}-h` }, el("small", {}, say("text", views[0].line ?? number)), el("bdi", {}, text)));
    main.append(part);
    for (const name of DATA.order) {
      const own = views.filter((view) => view.view === name);
      if (!own.length) continue;
      const id = `t${number}-${name}`;
      const section = el("section", { class: `view ${name}`, id, "aria-labelledby": `${id}-h` }, el("h3", { id: `${id}-h` }, say(`title_${name}`)));
      if (!explained.has(name)) section.append(el("p", { class: "about" }, say(`about_${name}`)));
      explained.add(name);
      part.append(section);
      VIEWS[name](section, own);
      entry.append(el("li", {}, el("a", { href: `#${id}` }, say(`title_${name}`))));
    }
    contents.append(el("li", {}, el("a", { href: `#t${number}` }, el("bdi", {}, text.length > 60 ? `${text.slice(0, 59)}…` : text)), entry));
  }
  if (matchMedia("(max-width: 70rem)").matches) document.querySelector("nav details").open = false;
  // The sections came after the address was read.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}
