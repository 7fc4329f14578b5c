/** Notifications as JSON lines in a file: for other programs to pick up, and for tests to read. */
import { mkdir, open } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { crashPoint } from '../base/crash.ts'
import { sluiceError } from '../base/errors.ts'
import type { Notifier } from '../definition/types.ts'
import { jsonOf } from './message.ts'
import type { NotifierAdapter, NotifierContext } from './notifier.ts'

const newline = 0x0a

/**
 * Appends each notification durably. A line that a crash cut off is closed before the next one begins; a notification that is sent again has
 * the id of the first.
 *
 * @example outboxNotifier({ kind: 'outbox', path: 'notifications.jsonl' }, context)
 * @throws Notification.OutsideProject, Notification.Failed
 */
export function outboxNotifier(
  { path }: Extract<Notifier, { kind: 'outbox' }>,
  { root }: NotifierContext,
): NotifierAdapter {
  const file = resolve(root, path)
  const inside = relative(root, file)
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw sluiceError('Notification.OutsideProject', { path })
  return {
    async send(notification) {
      try {
        await appendLine(file, jsonOf(notification))
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        throw sluiceError('Notification.Failed', { kind: 'outbox', to: path, tries: 1, why }, { cause: error })
      }
    },
  }
}

async function appendLine(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const handle = await open(file, 'a+')
  try {
    const { size } = await handle.stat()
    const last = Buffer.alloc(1, newline)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    crashPoint('notifications.outbox.before_append')
    await handle.appendFile(`${last[0] === newline ? '' : '\n'}${line}\n`)
    await handle.datasync()
    if (size === 0) await syncFolder(dirname(file))
    crashPoint('notifications.outbox.after_append')
  } finally {
    await handle.close()
  }
}

/** A new file survives a power loss only with its folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
