/** Public values as real numbers. */
import type { Tensor, TensorValues } from 'veristar-verifier/checker';
import { h } from './dom';
import { foreignText, number } from './format';

/** Values shown at once, and after "show all". */
const FIRST = 10;
const MOST = 4000;

/** A tensor with its values; one alone is shown large, with its place in its range. */
export function tensorView(tensor: TensorValues, batch: number): HTMLElement {
  const [only] = tensor.values;
  const body = tensor.values.length === 1 && only !== undefined ? single(tensor, only) : list(tensor, batch);
  return h('div', { class: 'tensor' }, title(tensor, batch), body);
}

function title(tensor: Tensor, batch: number): HTMLElement {
  const extents = significant(tensor);
  const shape = extents.every((extent) => extent === 1) ? 'one number' : `${extents.join(' × ')} numbers`;
  const times = batch > 1 ? ` for each of ${batch} inferences` : '';
  return h('h3', {}, h('bdi', {}, foreignText(tensor.name)), h('span', { class: 'quiet' }, ` ${shape}${times}`));
}

/** Extents without leading ones. */
function significant(tensor: Tensor): number[] {
  const extents = [...tensor.shape];
  while (extents.length > 1 && extents[0] === 1) extents.shift();
  return extents;
}

function single(tensor: TensorValues, value: number): HTMLElement {
  const width = tensor.max - tensor.min;
  const place = width > 0 ? Math.min(Math.max((value - tensor.min) / width, 0), 1) : 0;
  const bar = h('progress', { max: '1', 'aria-hidden': 'true' });
  bar.value = place;
  return h(
    'div',
    {},
    h('p', { class: 'big', title: `${value} (integer ${tensor.integers[0]})` }, number(value)),
    bar,
    h('p', { class: 'ends quiet' }, h('span', {}, number(tensor.min)), h('span', {}, 'range it could have'), h('span', {}, number(tensor.max))),
  );
}

function list(tensor: TensorValues, batch: number): HTMLElement {
  const largest = Math.max(...tensor.values.slice(0, MOST).map(Math.abs)) || 1;
  const label = labels(tensor, batch);
  const row = (value: number, i: number) => {
    const bar = h('progress', { max: '1', 'aria-hidden': 'true' });
    bar.value = Math.abs(value) / largest;
    if (value < 0) bar.className = 'negative';
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, label(i)),
      h('td', { class: 'number', title: `${value} (integer ${tensor.integers[i]})` }, number(value)),
      h('td', { class: 'bar' }, bar),
    );
  };
  const rows = h('tbody', {}, ...tensor.values.slice(0, FIRST).map(row));
  const head = h('thead', { class: 'hidden' }, h('tr', {}, h('th', {}, 'position'), h('th', {}, 'value'), h('th', {}, 'size')));
  const box = h('div', { class: 'scroll' }, h('table', {}, head, rows));
  if (tensor.values.length <= FIRST) return box;
  const count = Math.min(tensor.values.length, MOST);
  const text = count < tensor.values.length ? `Show the first ${count} of ${tensor.values.length} values` : `Show all ${count} values`;
  const more = h('button', { type: 'button', class: 'plain small' }, text);
  more.addEventListener('click', () => {
    rows.append(...tensor.values.slice(FIRST, count).map((value, i) => row(value, i + FIRST)));
    box.tabIndex = 0;
    box.setAttribute('role', 'region');
    box.setAttribute('aria-label', `Values of ${foreignText(tensor.name)}`);
    box.classList.add('long');
    more.remove();
    box.focus();
  });
  return h('div', {}, box, more);
}

/** Where a value is: its indices, and its inference if there are several. */
function labels(tensor: Tensor, batch: number): (i: number) => string {
  const extents = significant(tensor);
  const each = extents.reduce((product, extent) => product * extent, 1);
  return (i) => {
    let rest = i % each;
    const indices = extents.map((_, axis) => {
      const below = extents.slice(axis + 1).reduce((product, extent) => product * extent, 1);
      const index = Math.floor(rest / below);
      rest %= below;
      return index;
    });
    const place = each > 1 ? indices.join(', ') : '';
    if (batch === 1) return place || '0';
    const inference = `inference ${Math.floor(i / each) + 1}`;
    return place ? `${inference}: ${place}` : inference;
  };
}
