/**
 * What of a sweep is done. A sweep has steps that it discovers: crash points to be killed at, operations that fail. `SLUICE_SWEEP=full` does each of them;
 * otherwise each label is met once for each kind of task. Which of its hits that is changes from day to day: the number is printed, and
 * `SLUICE_SWEEP=<number>` does the same ones again.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One step of a sweep. */
export interface Hit {
  /** The kind of task at whose work it was discovered; `run` outside of tasks. */
  readonly kind: string
  /** What is done alike each time: `lake.commit.before_create`. */
  readonly label: string
  /** How the step is named to whoever does it: `lake.commit.before_create#2`. */
  readonly point: string
}

const setting = process.env['SLUICE_SWEEP']

/** Every step is done, and not a sample of them. */
export const isFullSweep = setting === 'full'

const turn = isFullSweep ? 0 : Number(setting ?? Math.floor(Date.now() / 86_400_000))
if (!Number.isSafeInteger(turn) || turn < 0)
  throw new TypeError(`SLUICE_SWEEP is "full" or a whole number, not "${setting}"`)

/**
 * The steps that are done: all, or one of each label for each kind of task.
 *
 * @example sampled(readHits(list)).map(({ point }) => point)
 */
export function sampled(hits: readonly Hit[], title: string): readonly Hit[] {
  const groups = new Map<string, Hit[]>()
  for (const hit of hits) {
    const group = `${hit.kind} ${hit.label}`
    groups.set(group, [...(groups.get(group) ?? []), hit])
  }
  const chosen = isFullSweep ? hits : [...groups.values()].map((group) => group[turn % group.length] as Hit)
  const how = isFullSweep ? 'SLUICE_SWEEP=full' : `SLUICE_SWEEP=${turn}; SLUICE_SWEEP=full does all`
  process.stdout.write(`${title}: ${chosen.length} of ${hits.length} (${how})\n`)
  return chosen
}

/** The labels of steps, each once, sorted. */
export function labelsOf(hits: readonly Hit[]): readonly string[] {
  return [...new Set(hits.map(({ label }) => label))].sort()
}

/** The crash points that a process hits which writes `SLUICE_CRASH_LIST`, in order. */
export async function listed(run: (env: { readonly SLUICE_CRASH_LIST: string }) => Promise<unknown>): Promise<Hit[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-points-'))
  const list = join(folder, 'points')
  appendFileSync(list, '')
  try {
    await run({ SLUICE_CRASH_LIST: list })
    return readHits(readFileSync(list, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Lines of a list, among which `kind: ingest` says whose the next ones are. */
export function readHits(list: string): Hit[] {
  let kind = 'run'
  return list.split('\n').flatMap((line) => {
    const [, changed] = /^kind: (.*)$/.exec(line) ?? []
    if (changed !== undefined) kind = changed
    return changed !== undefined || line === '' ? [] : [{ kind, label: line.split('#')[0] as string, point: line }]
  })
}

/** Does work for each item, some at a time. */
export async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  const queue = [...items.entries()]
  const next = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) await work(one[1], one[0])
  }
  await Promise.all(Array.from({ length: width }, next))
}
