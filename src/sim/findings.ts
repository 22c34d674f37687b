/** What oracles have to say about a run, and when two runs show the same. */

/** Something that must not be. */
export interface Complaint {
  /** The oracle's name; several together with plus signs. */
  readonly oracle: string;
  /** What two runs have in common that show the same: names of kinds, no numbers. */
  readonly text: string;
}

/** Numbers and addresses of one run say nothing about another. */
export const withoutNumbers = (text: string): string =>
  text.replaceAll(/0x[0-9a-f]+|\b[0-9a-f]{16}\b/gi, '0x…').replaceAll(/\b\d+\b/g, 'N');

/** What several oracles say at a time, as one. */
export const together = (complaints: readonly Complaint[]): Complaint => ({
  oracle: [...new Set(complaints.map(({ oracle }) => oracle))].join(' + '),
  text: complaints.map(({ text }) => text).join('; '),
});

/** What findings are told apart by. */
export const classOf = ({ oracle, text }: Complaint): string => `${oracle}: ${text}`;
