/**
 * Small files that must be on disk before anybody relies on them: written beside, synced, renamed, and the directory synced.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Replaces the file; afterwards either the old or the new content is there, whatever crashes. */
export function writeFileSynced(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`
  const fd = openSync(beside, 'w')
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(beside, path)
  syncDirectory(dirname(path))
}

export function makeDirectorySynced(path: string): void {
  if (mkdirSync(path, { recursive: true }) !== undefined) syncDirectory(dirname(path))
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
