-- Older notifications held their event as it was then; now they name it, so that what was redacted is
-- gone from them too.
UPDATE notifications SET event_id = json_extract(event, '$.event_id'), event = ''
WHERE event_id IS NULL AND json_valid(event)
    AND EXISTS (
        SELECT 1 FROM events WHERE events.event_id = json_extract(notifications.event, '$.event_id')
    );
