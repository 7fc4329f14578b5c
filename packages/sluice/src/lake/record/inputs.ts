/** Which inputs a table holds, over all its versions: each record has a chain of them, and those that it took itself. */
import type { Clock } from '../../base/clock.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Chain, CommitRecord, KnownInput } from '../record.ts'
import { type ChainKind, extendChain, findInChain, readChain } from './chain.ts'
import { olderInputs, ownInputs } from './older-inputs.ts'
import { currentVersion, readRecord } from './records.ts'

/**
 * The chain of a table's inputs, by their identities.
 *
 * @example await findInChain(storage, inputsOf('raw.sales'), record.known, [sha256])
 */
export function inputsOf(table: string): ChainKind<KnownInput> {
  return { table, keyOf: ([sha256]) => sha256 }
}

/**
 * Identity (sha256) to path of committed inputs.
 *
 * @param among Only those of these identities: then only the parts that may have one are read. @default all
 * @throws Lake.RecordCorrupt
 */
export async function knownInputs(
  storage: Storage,
  table: string,
  among?: readonly string[],
): Promise<Map<string, string>> {
  const version = await currentVersion(storage, table)
  const record = version === 0 ? undefined : await readRecord(storage, table, version)
  if (record === undefined) return new Map()
  const known = await chainOf(storage, record)
  const whole = { ...known, recent: [...known.recent, ...ownInputs(record)] }
  const found =
    among === undefined
      ? await readChain(storage, whole)
      : (await findInChain(storage, inputsOf(table), whole, among)).values()
  const result = new Map<string, string>()
  for (const [sha256, path] of found) if (!result.has(sha256)) result.set(sha256, path)
  return result
}

/**
 * Every committed input with the version that took it, oldest first.
 *
 * @example await takenInputs(storage, 'raw.sales') // [[sha256, 'inbox/sales_1.csv', 1]]
 * @throws Lake.RecordCorrupt
 */
export async function takenInputs(storage: Storage, table: string): Promise<readonly KnownInput[]> {
  const version = await currentVersion(storage, table)
  const record = version === 0 ? undefined : await readRecord(storage, table, version)
  if (record === undefined) return []
  const known = [...(await readChain(storage, await chainOf(storage, record))), ...ownInputs(record)]
  return known.sort(([, , a], [, , b]) => a - b)
}

/**
 * What a version that follows this one knows.
 *
 * @example const known = await carryInputs(storage, clock, parent, ownInputs(parent))
 * @param own What this one took; none for a version that is said to have taken it, too.
 */
export async function carryInputs(
  storage: Storage,
  clock: Clock,
  record: CommitRecord,
  own: readonly KnownInput[],
): Promise<Chain<KnownInput>> {
  return extendChain(storage, clock, inputsOf(record.table), await chainOf(storage, record), own)
}

async function chainOf(storage: Storage, record: CommitRecord): Promise<Chain<KnownInput>> {
  return record.known ?? { runs: [], recent: await olderInputs(storage, record) }
}
