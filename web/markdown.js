// markdown.js: text to elements: the part of Markdown that models use (fences, headings, lists, quotes, rules, bold,
// italic, code). What comes in is data: it becomes text nodes and elements made here, never markup; links stay text.

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function button(label, onClick) {
  const made = element("button", "small", label);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

export function copyButton(text) {
  const made = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      made.textContent = "Copied";
    } catch {
      made.textContent = "Not allowed";
    }
    setTimeout(() => (made.textContent = "Copy"), 1500);
  });
  return made;
}


const kFence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const kItem = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

// Cuts text into blocks, each the lines it is made of: what is complete stays the same while more comes in.
function blocksOf(text) {
  const blocks = [];
  let kind = null;
  let fence = "";
  for (const line of text.split("\n")) {
    const opening = line.match(kFence);
    if (kind === "code") {
      blocks.at(-1).lines.push(line);
      if (opening && opening[1].startsWith(fence) && opening[2].trim() === "") kind = null;
      continue;
    }
    let next = "text";
    if (opening) next = "code";
    else if (line.trim() === "") next = null;
    else if (/^#{1,6}\s/.test(line)) next = "heading";
    else if (/^ {0,3}([-*_])( *\1){2,}\s*$/.test(line)) next = "rule";
    else if (kItem.test(line) || (kind === "list" && /^\s+\S/.test(line))) next = "list";
    else if (/^>/.test(line)) next = "quote";
    const continues = next === kind && next !== "heading" && next !== "rule";
    if (next && continues) blocks.at(-1).lines.push(line);
    else if (next) blocks.push({ kind: next, lines: [line] });
    kind = next;
    if (next === "code") fence = opening[1];
  }
  return blocks;
}

function appendInline(parent, text) {
  const pattern = /(`+)(.+?)\1(?!`)|\*\*(?=\S)(.+?)\*\*|(?<![\w*])\*(?=\S)([^*\n]+?)\*(?![\w*])/gs;
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    parent.append(text.slice(at, match.index));
    const [, , code, bold, italic] = match;
    const made = element(code !== undefined ? "code" : bold !== undefined ? "strong" : "em");
    if (code !== undefined) made.textContent = code.replace(/^ (.*) $/, "$1");
    else appendInline(made, bold ?? italic);
    parent.append(made);
    at = match.index + match[0].length;
  }
  parent.append(text.slice(at));
}

function codeElement(lines) {
  const [, fence, language] = lines[0].match(kFence);
  const isClosed = lines.length > 1 && lines.at(-1).trim().startsWith(fence);
  const figure = element("figure", "code"), caption = element("figcaption"), pre = element("pre");
  const code = element("code", "", lines.slice(1, isClosed ? -1 : undefined).join("\n"));
  caption.append(element("span", "", language.trim().split(/\s/)[0] || "text"), copyButton(() => code.textContent));
  pre.append(code);
  figure.append(caption, pre);
  return figure;
}

function listElement(lines) {
  let list = null;
  const stack = [];  // {indent, list} from the outermost in
  for (const line of lines) {
    const item = line.match(kItem);
    if (!item) {
      appendInline(stack.at(-1).list.lastChild, "\n" + line.trim());
      continue;
    }
    const [, indent, mark, text] = item;
    while (stack.length > 1 && indent.length < stack.at(-1).indent) stack.pop();
    if (stack.length === 0 || indent.length > stack.at(-1).indent + 1) {
      const made = element(/\d/.test(mark) ? "ol" : "ul");
      if (/\d/.test(mark)) made.start = parseInt(mark, 10);
      if (stack.length) stack.at(-1).list.lastChild.append(made);
      else list = made;
      stack.push({ indent: indent.length, list: made });
    }
    const entry = element("li");
    appendInline(entry, text);
    stack.at(-1).list.append(entry);
  }
  return list;
}

function blockElement({ kind, lines }) {
  if (kind === "code") return codeElement(lines);
  if (kind === "list") return listElement(lines);
  if (kind === "rule") return element("hr");
  const isHeading = kind === "heading";
  const made = element(isHeading ? "h" + Math.min(4, lines[0].indexOf(" ")) : kind === "quote" ? "blockquote" : "p");
  const strip = isHeading ? /^#+\s+/ : kind === "quote" ? /^>\s?/ : /^$/;
  appendInline(made, lines.map((line) => line.replace(strip, "")).join("\n"));
  return made;
}

// Makes `parent` show `text`, touching only the blocks that changed.
export function renderText(parent, text) {
  const blocks = blocksOf(text);
  const shown = parent.blocks ?? [];
  const sources = blocks.map((block) => block.lines.join("\n"));
  let same = 0;
  while (same < sources.length && sources[same] === shown[same]) ++same;
  while (parent.children.length > same) parent.lastChild.remove();
  for (const block of blocks.slice(same)) parent.append(blockElement(block));
  parent.blocks = sources;
}
