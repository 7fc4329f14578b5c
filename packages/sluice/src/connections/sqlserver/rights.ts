/** The statement that gives a login the right that it lacks, made from what the server says of it. */
import { quotedPart } from './names.ts'
import type { ServerWord } from './tokens.ts'

/**
 * The GRANT that a refusal asks for; undefined where the server does not say which right is missing.
 *
 * @example grantFor({ number: 229, class: 14, text: "The EXECUTE permission was denied on the object 'usp_x', database 'erp', schema 'dbo'." }, 'reader')
 * // 'USE erp; GRANT EXECUTE ON OBJECT::dbo.usp_x TO reader;'
 * @param user empty where the login has no name
 */
export function grantFor({ text }: ServerWord, user: string): string | undefined {
  const to = user === '' ? '<user>' : quotedPart(user)
  const [, database] = /^The server principal .* is not able to access the database "(.+)" under/s.exec(text) ?? []
  if (database !== undefined) return `USE ${quotedPart(database)}; CREATE USER ${to} FOR LOGIN ${to};`
  const [, right, column, name, of, schema] =
    /^The ([A-Z ]+) permission was denied on the (?:column '(.+)' of the )?object '(.+)', database '(.+)', schema '(.+)'/s.exec(
      text,
    ) ?? []
  if (right !== undefined && schema !== undefined && name !== undefined && of !== undefined) {
    const columns = column === undefined ? '' : ` (${quotedPart(column)})`
    return `USE ${quotedPart(of)}; GRANT ${right} ON OBJECT::${quotedPart(schema)}.${quotedPart(name)}${columns} TO ${to};`
  }
  // Babelfish speaks in PostgreSQL's words, and does not say the schema.
  const [, kind, object] = /^permission denied for (function|procedure|table|view) (\S+)$/.exec(text) ?? []
  if (object === undefined) return undefined
  return `GRANT ${kind === 'table' || kind === 'view' ? 'SELECT' : 'EXECUTE'} ON ${quotedPart(object)} TO ${to};`
}
