/** What is worth knowing of a server's type before a contract is signed. Pure. */
import type { ResultColumn } from '../../connections/connection.ts'

/** Types with a trap, as servers spell them, and as what their values come; of these, the first that fits a column is reported. */
const traps: readonly { readonly server: RegExp; readonly type?: string; readonly note: string }[] = [
  {
    server: /^(datetime2|time|datetimeoffset)\(7\)/,
    note: 'has 100 ns digits: the 7th is cut, as declared; text keeps it, and without fraction TYPE refuses rows that use it',
  },
  {
    server: /^numeric$/,
    type: 'text',
    note: 'has no declared size: text keeps every digit, decimal(p,s) refuses rows that do not fit',
  },
  { server: /^(decimal|numeric)/, type: 'text', note: 'can have more digits than a decimal: text keeps them' },
  { server: /^(float|real|double)/, note: 'is approximate: not for money' },
  { server: /^sql_variant/, note: 'has a type for each value: each comes as the text of its own' },
  { server: /^(n?char|character)\(/, note: 'is padded with spaces: trim removes them' },
  { server: /^(timestamp|rowversion)$/, type: 'binary', note: 'is a number of changes, not a time' },
  { server: /^(small)?datetime|^timestamp without/, type: 'timestamp', note: 'has no zone' },
  { server: /^interval|\[\]$/, note: 'has no type of a contract: it stays text' },
]

/**
 * What a column's reviewer should know; undefined where there is nothing.
 *
 * @param among all columns of its set
 * @example columnNote({ name: 'at', serverType: 'time(7)', type: 'time' }, []) // 'has 100 ns digits: …'
 */
export function columnNote(column: ResultColumn, among: readonly ResultColumn[]): string | undefined {
  const { name, serverType, type } = column
  if (name === '') return 'has no name: the procedure must give it one'
  if (among.filter((other) => other.name === name).length > 1)
    return 'has the name of another column: the procedure must give it one of its own'
  const found = traps.find((trap) => trap.server.test(serverType.toLowerCase()) && (trap.type ?? type) === type)
  return found?.note.replace('TYPE', type)
}
