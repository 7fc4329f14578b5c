/** What a new project depends on. The package's name is in its own package.json, and nowhere else; definitions import `sluice`, whatever it is. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package that is running: as npm installed it, or in a checkout. */
export interface OwnPackage {
  readonly name: string
  readonly version: string
  /** Absolute. */
  readonly folder: string
}

/** @example ownPackage().version // '0.1.0' */
export function ownPackage(): OwnPackage {
  const folder = fileURLToPath(new URL('../../', import.meta.url)).replace(/[\\/]$/, '')
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return { name, version, folder }
}

/**
 * What npm installs as `sluice` in a project.
 *
 * Under a name without a scope nothing is published, and whatever the registry has there is somebody else's: then it is the folder that is running.
 *
 * @param wanted `--package`: a name, with or without a version, or a path from `from`
 * @example sluiceDependency('/work/shop', { name: 'sluice', version: '0.1.0', folder: '/work/sluice/packages/sluice' }) // 'file:../sluice/packages/sluice'
 * @example sluiceDependency('/work/shop', own, { text: '@acme/sluice@1.2.0', from: '/work' }) // 'npm:@acme/sluice@1.2.0'
 */
export function sluiceDependency(
  project: string,
  { name, version, folder }: OwnPackage,
  wanted?: { readonly text: string; readonly from: string },
): string {
  if (wanted !== undefined) {
    const path = wanted.text.replace(/^file:/, '')
    if (path !== wanted.text || /^[./~]|\.t(ar\.)?gz$|^[A-Za-z]:\\/.test(path))
      return filePath(project, resolve(wanted.from, path))
    return `npm:${wanted.text}${wanted.text.includes('@', 1) ? '' : `@${version}`}`
  }
  const isInstalled = folder.split(sep).includes('node_modules')
  return name.startsWith('@') && isInstalled ? `npm:${name}@${version}` : filePath(project, folder)
}

/**
 * A project's manifest with what it depends on: `sluice`, and drivers, which a checkout has already.
 *
 * @example withDependencies(readFileSync('package.json', 'utf8'), '/work/shop', ownPackage())
 */
export function withDependencies(
  manifest: string,
  project: string,
  own: OwnPackage,
  wanted?: Parameters<typeof sluiceDependency>[2],
): string {
  const read = JSON.parse(manifest) as { readonly dependencies?: Readonly<Record<string, string>> }
  const sluice = sluiceDependency(project, own, wanted)
  const dependencies = Object.entries(read.dependencies ?? {}).map(([name, version]) => {
    if (name === 'sluice') return [name, sluice]
    const present = sluice.startsWith('file:') ? presentIn(own.folder, name) : undefined
    return [name, present === undefined ? version : filePath(project, present)]
  })
  return `${JSON.stringify({ ...read, dependencies: Object.fromEntries(dependencies) }, null, 2)}\n`
}

/** Where a package is installed that the running one can reach. */
function presentIn(folder: string, name: string): string | undefined {
  for (let at = folder; dirname(at) !== at; at = dirname(at)) {
    const place = join(at, 'node_modules', name)
    if (existsSync(join(place, 'package.json'))) return place
  }
  return undefined
}

function filePath(project: string, path: string): string {
  return `file:${relative(project, path).split(sep).join('/')}`
}
