/** Where what runs leave is: below `runs/<run>/`, a task's below `tasks/<task>/`. */
import { sha256 } from '../../base/json.ts'
import type { Storage } from '../../storage/storage.ts'

/** @example runPath('20261120T100000Z-00000001', 'plan.json') */
export function runPath(run: string, name: string): string {
  return `runs/${run}/${name}`
}

/**
 * A name that any storage takes as a part of a path, whatever a table or a pipeline is called.
 *
 * @example safeName('ingest:raw.sales') // 'ingest-raw.sales-1f0c9a2b'
 */
export function safeName(name: string): string {
  if (/^\w[\w.-]{0,99}$/.test(name)) return name
  return `${name.replace(/[^\w.-]+/g, '-').slice(0, 100)}-${sha256(name).slice(0, 8)}`
}

/** The folder of a task's attempts and outcome. @example taskFolder(run, 'ingest:raw.sales') */
export function taskFolder(run: string, task: string): string {
  return runPath(run, `tasks/${safeName(task)}`)
}

/**
 * An object as JSON; undefined where there is none, and where it is damaged.
 *
 * @example await readJson<Plan>(state, runPath(run, 'plan.json'))
 * @param damaged Told of one that is there and is no JSON, or not what it should be.
 */
export async function readJson<T>(
  storage: Pick<Storage, 'read'>,
  path: string,
  {
    damaged,
    isWhole = () => true,
  }: { readonly damaged?: Damaged | undefined; readonly isWhole?: (found: T) => boolean } = {},
): Promise<T | undefined> {
  const bytes = await storage.read(path)
  if (bytes === undefined) return undefined
  try {
    const found = JSON.parse(Buffer.from(bytes).toString('utf8')) as T
    if (isWhole(found)) return found
  } catch {
    // Said below.
  }
  damaged?.(path)
  return undefined
}

/** Takes the path of an object that is damaged. */
export type Damaged = (path: string) => void
