/** Whether a target is as its last load left it. Changes nothing. */

import { contentOf, editsBetween, type LoadedTarget, leftContent, rowsOf } from './content.ts'
import { shapeOf } from './drift.ts'
import { type TargetHistory, targetHistory } from './ledger.ts'
import type { LoadSetting } from './load-setting.ts'
import { countOf } from './statements.ts'
import type { TargetEdits, TargetFinding } from './warehouse.ts'

/** What looking takes. */
type Looking = Pick<LoadSetting, 'sql' | 'dialect' | 'columnsOf' | 'kindOf'>

/**
 * Examines a target that was loaded; undefined where there is nothing to say of it.
 *
 * @param deep Compares every row with what the load left, too. Else rows are counted only where that costs nothing; elsewhere it is asked whether there
 *   are any.
 */
export async function examineTarget(
  looking: Looking,
  one: LoadedTarget,
  deep: boolean,
): Promise<TargetFinding | undefined> {
  const { sql, dialect, columnsOf, kindOf } = looking
  const { target } = one
  const history = await targetHistory(sql, dialect, target)
  if (history.loads === 0) return undefined
  const kind = await kindOf(target)
  if (kind === undefined)
    return { target, kind: 'gone', detail: 'is gone: somebody dropped it, or gave it another name' }
  if (kind !== 'table') return { target, kind: 'replaced', detail: `is a ${kind} now` }
  if (shapeOf(await columnsOf(target)) !== history.shape)
    return { target, kind: 'columns', detail: 'has other columns than its last load left' }
  return examineRows(looking, one, history, deep)
}

async function examineRows(
  { sql, dialect, columnsOf }: Looking,
  one: LoadedTarget,
  { last }: TargetHistory,
  deep: boolean,
): Promise<TargetFinding | undefined> {
  const { target } = one
  if ((await columnsOf('sluice.load_targets')).length === 0) return undefined
  const left = await leftContent({ sql, dialect }, target)
  if (left === undefined || last === undefined) return undefined
  const known = (): TargetFinding | undefined =>
    left.edits === undefined ? undefined : { target, kind: 'known', detail: editsInWords(left.edits) }
  if (dialect.countsByScan && !deep) {
    const some = await countOf(sql, `SELECT count(*) FROM (SELECT 1 FROM ${dialect.table(target)} LIMIT 1) AS t`)
    if (some > 0 || left.rows === 0) return known()
    return { target, kind: 'rows', detail: editsInWords({ left: left.rows, found: 0 }) }
  }
  const content = deep
    ? await contentOf({ sql, dialect }, one, await columnsOf(target))
    : { rows: await rowsOf({ sql, dialect }, one), digest: null }
  const edits = editsBetween({ ...left, comparable: deep && left.comparable }, content, '')
  return edits === undefined ? known() : { target, kind: 'rows', detail: editsInWords(edits) }
}

/**
 * What was done to the rows of a target, after its name.
 *
 * @example editsInWords({ left: 3, found: 2 }) // 'had 2 rows where its last load left 3: somebody else removed rows'
 */
export function editsInWords({ left, found }: Pick<TargetEdits, 'left' | 'found'>): string {
  if (left === found) return `had ${found} rows, as its last load left it, but not the same: somebody else changed rows`
  return `had ${found} rows where its last load left ${left}: somebody else ${found < left ? 'removed' : 'added'} rows`
}
