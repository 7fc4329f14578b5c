/** Names of procedures and parameters: checked, and quoted part by part (fault SR-11). */
import { sluiceError } from '../../base/errors.ts'
import { isWhole } from './cells.ts'

/** Longest part of a name, in UTF-16 units. */
export const maxNameLength = 128

/** Letters, digits, `_`, `@`, `$`, `#`, beginning with a letter, `_` or `#` (with `@` it would be a variable): what needs no brackets. */
const regular = /^[\p{L}_#][\p{L}\p{Nd}_@$#]*$/u
/** Transact-SQL's reserved words: SQL Server takes them as names of calls, Babelfish makes a statement of the name and does not. */
const reserved: ReadonlySet<string> = new Set(
  `add all alter and any as asc authorization backup begin between break browse bulk by cascade case check checkpoint close clustered coalesce collate
  column commit compute constraint contains containstable continue convert create cross current current_date current_time current_timestamp
  current_user cursor database dbcc deallocate declare default delete deny desc disk distinct distributed double drop dump else end errlvl escape
  except exec execute exists exit external fetch file fillfactor for foreign freetext freetexttable from full function goto grant group having
  holdlock identity identity_insert identitycol if in index inner insert intersect into is join key kill left like lineno load merge national
  nocheck nonclustered not null nullif of off offsets on open opendatasource openquery openrowset openxml option or order outer over percent pivot
  plan precision primary print proc procedure public raiserror read readtext reconfigure references replication restore restrict return revert
  revoke right rollback rowcount rowguidcol rule save schema securityaudit select session_user set setuser shutdown some statistics system_user
  table tablesample textsize then to top tran transaction trigger truncate try_convert tsequal union unique unpivot update updatetext use user
  values varying view waitfor when where while with within writetext`.split(/\s+/),
)
const control = /\p{Cc}/u

/** Procedures of the server that take a text of SQL, or a command, and run it. */
const runsText =
  /^(?:xp_.*|sp_(?:executesql|execute(?:_external_script)?|prepare|prepexec(?:rpc)?|unprepare|cursor.*|oa.*|sqlexec|msforeach.*|add_jobstep|procoption|addlinkedserver))$/i

function invalid(name: string, why: string) {
  return sluiceError('Connection.InvalidName', { name, why })
}

/**
 * Splits `db.dbo.usp_x`, where a part may stand in brackets: `[my db].dbo.[usp]]x]`.
 *
 * @throws Connection.InvalidName
 */
export function splitName(name: string): readonly string[] {
  const found: string[] = []
  const part = /(?:\[((?:[^\]]|\]\])*)\]|([^.[\]]*))(\.|$)/uy
  for (;;) {
    const match = part.exec(name)
    if (match === null) throw invalid(name, 'its brackets do not match')
    found.push(match[1]?.replaceAll(']]', ']') ?? match[2] ?? '')
    if (match[3] === '') return found
  }
}

/** A part of a name as the server takes it: in brackets, where it needs them. */
export function quotedPart(part: string): string {
  return regular.test(part) && !reserved.has(part.toLowerCase()) ? part : `[${part.replaceAll(']', ']]')}]`
}

function check(name: string, part: string): void {
  if (part === '') throw invalid(name, 'a part of it is empty')
  if (part.length > maxNameLength) throw invalid(name, `a part of it is longer than ${maxNameLength} characters`)
  if (control.test(part) || !isWhole(part)) throw invalid(name, 'it has characters that cannot be written')
}

/**
 * A procedure's name, as it is sent.
 *
 * @example procedureName('sales.usp daily') // 'sales.[usp daily]'
 * @throws Connection.InvalidName
 */
export function procedureName(name: string): string {
  const found = splitName(name)
  if (found.length > 3) throw invalid(name, 'it has more than three parts')
  for (const part of found) check(name, part)
  // `usp_x;2` is an old way to number procedures, and `sp_executesql;1` is the same as without.
  if (
    runsText.test(
      found
        .at(-1)!
        .replace(/;\d*\s*$/, '')
        .trim(),
    )
  )
    throw invalid(name, 'it runs a text of SQL or a command')
  return found.map(quotedPart).join('.')
}

/**
 * A parameter's name without its `@`.
 *
 * @throws Connection.InvalidName
 */
export function parameterName(name: string): string {
  const bare = name.replace(/^@/, '')
  check(name, bare)
  if (bare.length >= maxNameLength) throw invalid(name, `it is longer than ${maxNameLength - 1} characters`)
  if (!/^[\p{L}\p{Nd}_@$#]+$/u.test(bare)) throw invalid(name, 'it has characters that a parameter cannot have')
  return bare
}
