/** Names of procedures and parameters: checked part by part (fault SR-11). */
import { sluiceError } from '../../base/errors.ts'

/** Longest name, in bytes: NAMEDATALEN - 1. The server would cut a longer one in silence. */
export const maxNameBytes = 63
/** A NUL ends a text for the server; a lone surrogate would be sent as U+FFFD, which is another text. */
export const unsendable = /\0|\p{Surrogate}/u

/**
 * The parts of a procedure's name: `schema.name`, or `name` alone. A part with a dot or a quote in it is written in double quotes.
 *
 * @example parseName('erp."a.b"') // ['erp', 'a.b']
 * @throws Connection.InvalidName
 */
export function parseName(name: string): readonly string[] {
  const refuse = (why: string) => sluiceError('Connection.InvalidName', { name, why })
  const parts = [...name.matchAll(/(?:^|\.)(?:"((?:[^"]|"")+)"|([^".]+))/g)]
  if (name === '' || name.startsWith('.') || parts.reduce((length, part) => length + part[0].length, 0) !== name.length)
    throw refuse('it is not one or two names with a point between them')
  if (parts.length > 2) throw refuse('it has more parts than a schema and a name')
  const texts = parts.map((part) => part[1]?.replaceAll('""', '"') ?? (part[2] as string))
  for (const text of texts) checkName(text, name)
  return texts
}

/** Refuses a name that the server would cut, or cannot be given at all. @throws Connection.InvalidName */
function checkName(text: string, name = text): void {
  const refuse = (why: string) => sluiceError('Connection.InvalidName', { name, why })
  if (text === '') throw refuse('it is empty')
  if (unsendable.test(text)) throw refuse('it has a character that no name can have')
  if (Buffer.byteLength(text) > maxNameBytes) throw refuse(`a part is longer than ${maxNameBytes} bytes`)
}
