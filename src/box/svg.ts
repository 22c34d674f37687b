/** SVG as text: elements with attributes, escaped. */

type Attributes = Readonly<Record<string, string | number>>;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (c) => ESCAPES[c]!);

/** At most two digits behind the point: a picture needs no more, and files stay the same. */
const valueOf = (value: string | number): string =>
  typeof value === 'number' ? String(Number(value.toFixed(2))) : escaped(value);

/** An element; `children` are elements already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${valueOf(value)}"`);
  const open = `<${name}${list.join('')}`;
  return children.length === 0 ? `${open}/>` : `${open}>${children.join('')}</${name}>`;
}

export const text = (x: number, y: number, content: string, more: Attributes = {}): string =>
  element('text', { x, y, ...more }, escaped(content));

/** A picture on white, in a sans-serif of 12. */
export function svg(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
    'font-family': 'sans-serif',
    'font-size': 12,
  };
  const ground = element('rect', { width: '100%', height: '100%', fill: '#fff' });
  const lines = [element('title', {}, escaped(title)), ground, ...parts];
  return `${element('svg', attributes, `\n${lines.join('\n')}\n`)}\n`;
}
