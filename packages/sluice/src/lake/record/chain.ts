/**
 * Chains: things that a table gathers over its versions, so that a record says what it added and not what there is.
 *
 * A record repeats the newest entries, up to a few. Beyond that they become a run: objects of sorted entries that are never written again. A run is
 * written together with those before it that are not larger, so that there are few runs however many entries there are, and an entry is written a
 * few times. What has a key is found by the ranges of the parts, one of each run.
 */
import { type Clock, newId } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { sha256 } from '../../base/json.ts'
import type { Storage } from '../../storage/storage.ts'
import { partPath } from '../paths.ts'
import type { Chain, ChainPart } from '../record.ts'
import { openSealed, sealJson } from './sealed-json.ts'

/** At most this many entries are in the record itself. */
const recentEntries = 32

/** At most this many entries are in one object. */
const partEntries = 4096

/** Parts that were read, by their paths: for a caller that reads many chains of a table. */
export type PartCache = Map<string, readonly unknown[]>

/** A chain without entries. @example const known = emptyChain<KnownInput>() */
export const emptyChain = <T>(): Chain<T> => ({ runs: [], recent: [] })

/** What a chain is, and where. */
export interface ChainKind<T> {
  readonly table: string
  /** Of two entries with the same key, the earlier one counts. */
  readonly keyOf: (entry: T) => string
}

/**
 * A chain with more entries; writes parts, which are garbage until a record names them.
 *
 * @example const known = await extendChain(storage, clock, inputsOf(table), parent.known, [[sha256, path, 7]])
 */
export async function extendChain<T>(
  storage: Storage,
  clock: Clock,
  kind: ChainKind<T>,
  chain: Chain<T>,
  added: readonly T[],
): Promise<Chain<T>> {
  const recent = [...chain.recent, ...added]
  if (recent.length <= recentEntries) return { runs: chain.runs, recent }
  const runs = [...chain.runs]
  const together: (readonly T[])[] = [recent]
  let size = recent.length
  for (let run = runs.at(-1); run !== undefined && entriesOf(run) <= size; run = runs.at(-1)) {
    runs.pop()
    size += entriesOf(run)
    together.unshift(await readRun<T>(storage, run))
  }
  const written = await writeRun(storage, clock, kind, distinct(kind, together.flat()))
  return { runs: [...runs, written], recent: [] }
}

/**
 * All entries of a chain, oldest run first; of one key perhaps several, the first of which counts.
 *
 * @example const inputs = await readChain(storage, record.known)
 * @throws Lake.RecordCorrupt where a part is missing or damaged
 */
export async function readChain<T>(storage: Storage, chain: Chain<T>, cache?: PartCache): Promise<readonly T[]> {
  const entries: T[] = []
  for (const run of chain.runs) for (const entry of await readRun<T>(storage, run, cache)) entries.push(entry)
  for (const entry of chain.recent) entries.push(entry)
  return entries
}

/**
 * The entries with these keys, by key; reads only the parts that may have one.
 *
 * @example const found = await findInChain(storage, inputsOf(table), record.known, [sha256])
 * @throws Lake.RecordCorrupt where such a part is missing or damaged
 */
export async function findInChain<T>(
  storage: Storage,
  { keyOf }: ChainKind<T>,
  chain: Chain<T>,
  keys: readonly string[],
): Promise<Map<string, T>> {
  const wanted = new Set(keys)
  const found = new Map<string, T>()
  const look = (entries: readonly T[]): void => {
    for (const entry of entries) {
      const key = keyOf(entry)
      if (wanted.has(key) && !found.has(key)) found.set(key, entry)
    }
  }
  for (const run of chain.runs)
    for (const part of run)
      if (keys.some((key) => part.first <= key && key <= part.last)) look(await readPart<T>(storage, part))
  look(chain.recent)
  return found
}

/** Where the parts of a chain are. @example partsOf(record.known) */
export function partsOf(chain: Chain<unknown> | undefined): readonly string[] {
  return (chain?.runs ?? []).flatMap((run) => run.map(({ path }) => path))
}

function entriesOf(run: readonly ChainPart[]): number {
  return run.reduce((sum, { entries }) => sum + entries, 0)
}

/** Sorted by key; of one key the first. */
function distinct<T>({ keyOf }: ChainKind<T>, entries: readonly T[]): readonly (readonly [string, T])[] {
  const byKey = new Map<string, T>()
  for (const entry of entries) if (!byKey.has(keyOf(entry))) byKey.set(keyOf(entry), entry)
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))
}

async function writeRun<T>(
  storage: Storage,
  clock: Clock,
  { table }: ChainKind<T>,
  sorted: readonly (readonly [string, T])[],
): Promise<readonly ChainPart[]> {
  const run: ChainPart[] = []
  for (let start = 0; start < sorted.length; start += partEntries) {
    const some = sorted.slice(start, start + partEntries)
    const text = sealJson({ format: 3, entries: some.map(([, entry]) => entry) })
    // A name that no other writer uses: one that was garbage, and is about to be removed, is never taken up again.
    const path = partPath(table, `${sha256(text)}-${newId(clock).slice(-8)}`)
    crashPoint('lake.commit.before_part')
    await storage.write(path, text)
    run.push({ path, entries: some.length, first: some[0]![0], last: some.at(-1)![0] })
  }
  return run
}

async function readRun<T>(storage: Storage, run: readonly ChainPart[], cache?: PartCache): Promise<readonly T[]> {
  const parts = await Promise.all(run.map((part) => readPart<T>(storage, part, cache)))
  return parts.flat()
}

async function readPart<T>(storage: Storage, { path, entries }: ChainPart, cache?: PartCache): Promise<readonly T[]> {
  const known = cache?.get(path)
  if (known !== undefined) return known as readonly T[]
  const bytes = await storage.read(path)
  if (bytes === undefined) throw sluiceError('Lake.RecordCorrupt', { file: path, why: 'it is missing' })
  const part = openSealed(bytes, path) as { readonly entries: readonly T[] }
  if (part.entries.length !== entries)
    throw sluiceError('Lake.RecordCorrupt', {
      file: path,
      why: `it has ${part.entries.length} entries, not ${entries}`,
    })
  cache?.set(path, part.entries)
  return part.entries
}
