/** What dead processes left half done. A name says whose it is, so that nothing of a living process is ever removed. */
import { join } from 'node:path'
import { digest } from '../../base/json.ts'
import { processState, thisProcess } from '../../base/process-identity.ts'
import type { StoredObject } from '../storage.ts'
import { errorCode } from './classify-error.ts'
import type { FileOperations } from './file-operations.ts'
import { listFiles, objectOf } from './list.ts'

/**
 * A name in a temporary folder that shows its owner: machine and boot (hashed), process, start, then what makes it unique.
 *
 * @example leftoverName('20261120T154212Z-9f2c41ab') // '3f9a0c21.4711.88123.20261120T154212Z-9f2c41ab'
 */
export function leftoverName(unique: string): string {
  const { host, boot, pid, started } = thisProcess()
  return `${digest([host, boot]).slice(0, 8)}.${pid}.${started}.${unique}`
}

/** Whether the process that made the name has ended; undefined where that cannot be known. */
function ownerEnded(name: string): boolean | undefined {
  const [machine, pid, started] = name.split('.')
  const here = thisProcess()
  if (machine !== digest([here.host, here.boot]).slice(0, 8) || pid === undefined || started === undefined)
    return undefined
  return processState({ ...here, pid: Number(pid), started }) === 'dead'
}

/** Finds, and removes unless `dryRun`, the files and folders of ended processes directly below the folder `own`. */
export async function removeLeftovers(
  root: string,
  own: string,
  operations: FileOperations,
  options: { readonly before: Date; readonly dryRun?: boolean },
): Promise<readonly StoredObject[]> {
  const removed: StoredObject[] = []
  for (const name of await operations.readFolder(join(root, own)).catch(noFolder)) {
    const path = join(root, own, name)
    const status = operations.status(path)
    if (status === undefined) continue
    const files = status.kind === 'folder' ? await listFiles(root, [own, name], operations) : []
    const newest = Math.max(status.modifiedAt.getTime(), ...files.map((file) => file.modifiedAt.getTime()))
    if (!(ownerEnded(name) ?? newest < options.before.getTime())) continue
    removed.push(...(status.kind === 'folder' ? files : [objectOf(`${own}/${name}`, status)]))
    if (options.dryRun !== true) await removeTree(path, operations)
  }
  return removed
}

async function removeTree(path: string, operations: FileOperations): Promise<void> {
  if (operations.status(path)?.kind !== 'folder') {
    await operations.unlink(path)
    return
  }
  for (const name of await operations.readFolder(path)) await removeTree(join(path, name), operations)
  await operations.removeFolder(path)
}

function noFolder(error: unknown): readonly string[] {
  if (errorCode(error) === 'ENOENT') return []
  throw error
}
