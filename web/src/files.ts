/** Files that people drop: looked at before they are read. */
import { foreignText, size } from './format';

/** Honest keys and proofs stay far below. */
export const FILE_LIMIT = 64 << 20;

export type FileKind = 'key' | 'proof';

export interface Problem {
  readonly title: string;
  readonly text: string;
}

export type Looked = { readonly kind: FileKind; readonly name: string; readonly bytes: Uint8Array } | Problem;

/** Reads a file if its size and its first bytes are those of a key or a proof. */
export async function look(file: File): Promise<Looked> {
  const name = foreignText(file.name, 60);
  if (file.size > FILE_LIMIT) {
    return {
      title: `“${name}” is too large`,
      text: `It has ${size(file.size)}; keys and proofs have at most ${size(FILE_LIMIT)}. It was not read.`,
    };
  }
  if (file.size === 0) {
    return { title: `“${name}” is empty`, text: 'Get the file again from whoever gave it to you.' };
  }
  try {
    const kind = kindOf(new Uint8Array(await file.slice(0, 8).arrayBuffer()));
    if (kind !== 'key' && kind !== 'proof') return { title: `“${name}” is not a key or a proof`, text: advice(kind) };
    return { kind, name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch {
    return {
      title: `“${name}” cannot be read`,
      text: 'If it is a folder, drop the two files in it instead. Otherwise check that it is still there.',
    };
  }
}

type Known = FileKind | 'package' | 'ranges' | 'archive' | 'other';

function kindOf(head: Uint8Array): Known {
  const text = String.fromCharCode(...head);
  if (text === 'VERISTRK') return 'key';
  if (text === 'VERISTRP') return 'proof';
  if (text === 'VERISTRM') return 'package';
  if (text === 'VERISTRR') return 'ranges';
  return text.startsWith('PK') || text.startsWith('\u001f\u008b') ? 'archive' : 'other';
}

function advice(kind: Known): string {
  switch (kind) {
    case 'package':
      return 'It is a model package, which holds the weights and is for whoever makes proofs. To check one you need the key, a file that ends in .vk.';
    case 'ranges':
      return 'It is a proof that the weights are in their ranges. The command-line program checks it: veristar verify-ranges.';
    case 'archive':
      return 'It is a compressed archive. Unpack it first, then drop the key and the proof in it.';
    default:
      return 'Keys usually end in .vk and proofs in .vproof. This file is something else.';
  }
}
