//! The lowest contrast of any text that is shown, as WCAG 2.2 defines it (1.4.3): its colour against
//! the nearest background behind it.

/// Evaluates to `{ratio, text, colours}` of the worst text.
pub(crate) const LOWEST: &str = r"
(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((it, i) => it * a + under[i] * (1 - a));
  const light = (colour) => {
    const [r, g, b] = colour.map((it) => it / 255)
      .map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 0 ? background(element.parentElement) : over(own, background(element.parentElement));
  };
  let worst = { ratio: 21 };
  const see = (text, ink, paper) => {
    const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
    const ratio = Math.round(((a + 0.05) / (b + 0.05)) * 100) / 100;
    if (ratio < worst.ratio) worst = { ratio, text: text.slice(0, 40), ink, paper };
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || /^(SCRIPT|STYLE|TITLE|title|OPTION)$/.test(element.nodeName)) continue;
    const style = getComputedStyle(element);
    const rect = element.nodeName === 'text' && element.parentElement.querySelector('rect');
    if (element.nodeName === 'text' && !rect) {
      see(text, parse(style.fill), background(element));
    } else if (rect) {
      const fill = parse(getComputedStyle(rect).fill);
      fill[3] = Number(getComputedStyle(rect).opacity);
      see(text, parse(style.fill), over(fill, background(element.closest('.flame'))));
    } else {
      const paper = background(element);
      see(text, over(parse(style.color), paper), paper);
    }
  }
  return worst;
})()
";
