/** What rows must be: the one contract of files, calls, changes and models. Pure. */
import type { Check, KeepRow } from '../../definition/types.ts'
import type { ColumnCast, RowRule } from '../rule.ts'
import { checkNames, isRowCheck, rowRules, type TypedColumn } from '../rules.ts'

/** A key whose duplicates are refused row by row: a rule that no row breaks alone. */
export interface RowKey extends RowRule {
  /** Which of the rows that share the key stays. @default 'none' */
  readonly keep?: KeepRow
}

/** What is asked of rows. */
export interface RowContract {
  readonly casts: readonly ColumnCast[]
  /** Of each row by itself; one that breaks a rule is refused. */
  readonly rules: readonly RowRule[]
  readonly keys: readonly RowKey[]
  /** Asked of the rows that are accepted: checks of the whole table, and those that only warn; each with its name. */
  readonly rest: readonly Check[]
}

/** What a contract is made of. */
export interface ContractOptions {
  readonly checks: readonly Check[]
  /** A declared key, whose reason is `key`. */
  readonly key?: { readonly columns: readonly string[]; readonly keep?: KeepRow }
  /**
   * Which checks refuse rows: all of one row and of a unique key (a source), all of one row (changes), or those of one row whose action says so (a
   * model).
   */
  readonly refuses: 'rows and keys' | 'rows' | 'declared rows'
  /** The columns that checks name. @default those of the casts */
  readonly columns?: readonly TypedColumn[]
}

/**
 * Makes a contract.
 *
 * @example rowContract(casts, { checks: source.checks, refuses: 'rows and keys' }).rules.map(({ name }) => name) // ['cast:id', 'required:id']
 */
export function rowContract(
  casts: readonly ColumnCast[],
  { checks, key, refuses, columns = casts }: ContractOptions,
): RowContract {
  const names = checkNames(checks)
  const named = checks.map((check, place) => ({ ...check, name: names[place] as string }))
  const refusing = named.filter((check) => {
    if (check.severity === 'warn') return false
    if (isRowCheck(check)) return refuses !== 'declared rows' || check.action === 'quarantine'
    return refuses === 'rows and keys' && check.kind === 'unique' && check.action !== 'stop'
  })
  const keys = refusing.flatMap((check) => (check.kind === 'unique' ? [rowKey(check.name, check.columns, check)] : []))
  return {
    casts,
    rules: rowRules(casts, refusing, { defaultAction: 'quarantine', columns }),
    keys: key === undefined ? keys : [rowKey('key', key.columns, key), ...keys],
    rest: named.filter((check) => !refusing.includes(check)),
  }
}

function rowKey(
  name: string,
  columns: readonly string[],
  { keep, maxShare, maxCount }: Pick<RowKey, 'keep' | 'maxShare' | 'maxCount'>,
): RowKey {
  return {
    ...{ name, kind: 'unique', columns, valid: 'true', severity: 'error', action: 'quarantine' },
    ...(keep === undefined ? {} : { keep }),
    ...(maxShare === undefined ? {} : { maxShare }),
    ...(maxCount === undefined ? {} : { maxCount }),
  }
}
