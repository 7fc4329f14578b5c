/** Names of procedures and parameters: checked, and quoted part by part (fault SR-11). */
import { sluiceError } from '../../base/errors.ts'

/** A procedure's name in its parts; without a database, it is the connection's. */
export interface RoutineName {
  readonly database: string | undefined
  readonly name: string
}

/** Longest name, in characters: https://mariadb.com/kb/en/identifier-names/#maximum-length */
export const maxNameLength = 64

/**
 * Quotes an identifier: backticks, doubled inside, whatever the SQL mode.
 *
 * @example quoteIdentifier('a`b') // '`a``b`'
 */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/**
 * The checked parts of `procedure` or `database.procedure`. A part with a point or a backtick in it is written in backticks.
 *
 * @example routineName('shop.`a.b`') // { database: 'shop', name: 'a.b' }
 * @throws Connection.InvalidName
 */
export function routineName(procedure: string): RoutineName {
  const parts: string[] = []
  const part = /(?:`((?:[^`]|``)*)`|([^.`]*))(\.|$)/uy
  for (let isLast = false; !isLast; ) {
    const match = part.exec(procedure) ?? refuse(procedure, 'its backticks do not match')
    parts.push(match[1]?.replaceAll('``', '`') ?? (match[2] as string))
    isLast = match[3] === ''
  }
  if (parts.length > 2) refuse(procedure, 'it has more than two parts')
  for (const each of parts) checkName(each, procedure)
  const [name, database] = parts.reverse() as [string, string?]
  return { database, name }
}

/** Refuses what no name can be: https://mariadb.com/kb/en/identifier-names/#further-rules @example checkName('usp_sales') */
export function checkName(part: string, whole = part): void {
  if (part === '') refuse(whole, 'a part of it is empty')
  if (/[\0\u{10000}-\u{10ffff}]/u.test(part)) refuse(whole, 'no name has such characters')
  if (part.endsWith(' ')) refuse(whole, 'it ends with a space')
  if (part.length > maxNameLength) refuse(whole, `a part of it has more than ${maxNameLength} characters`)
}

function refuse(name: string, why: string): never {
  throw sluiceError('Connection.InvalidName', { name, why })
}
