/** Remembers the digest of files that have not changed, so that nothing is hashed twice. A cache: it may be deleted at any time. */
import type { Storage } from '../storage/storage.ts'

/** Digests by a key that changes with the file: path, size, times, inode. */
export interface HashCache {
  get(key: string): string | undefined
  set(key: string, sha256: string): void
  /** From now on nothing is forgotten: what is asked for is not all that there is. */
  keepAll(): void
  /** Keeps what was asked for or added since it was opened; forgets the rest. Where it cannot be written, files are hashed again: no reason to fail. */
  save(): Promise<void>
}

const path = 'cache/hashes.json'

/** Opens the cache of a project; a damaged one counts as empty. */
export async function openHashCache(storage: Storage): Promise<HashCache> {
  const kept = parse(await storage.read(path))
  const used = new Map<string, string>()
  let changed = false
  return {
    get(key) {
      const found = used.get(key) ?? kept.get(key)
      if (found !== undefined) used.set(key, found)
      return found
    },
    set(key, sha256) {
      used.set(key, sha256)
      changed = true
    },
    keepAll() {
      for (const [key, sha256] of kept) used.set(key, sha256)
    },
    async save() {
      if (!changed && used.size === kept.size) return
      await storage.write(path, JSON.stringify([...used])).catch(() => undefined)
    },
  }
}

function parse(bytes: Uint8Array | undefined): Map<string, string> {
  try {
    return new Map(JSON.parse(new TextDecoder().decode(bytes)) as [string, string][])
  } catch {
    return new Map()
  }
}
